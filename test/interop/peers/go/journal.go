package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// collectTime is how long sequence numbers are collected before they are written as one line.
const collectTime = time.Second

// journal writes what becomes of this peer's own messages, with the streams, meshes and control that decide it: a test that
// misses one shows the last lines. Times are in seconds by the monotonic clock, sequence numbers count from the first message.
type journal struct {
	silentTracer
	self    peer.ID
	started time.Time
	mutex   sync.Mutex
	out     io.Writer
	first   uint64
	fates   []fate
}

// fate is a number of messages to which the same has happened.
type fate struct {
	what  string
	since time.Duration
	of    []uint64
}

func newJournal(self peer.ID, out io.Writer) *journal {
	return &journal{self: self, started: time.Now(), out: out}
}

func (j *journal) event(format string, args ...any) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.endFates()
	fmt.Fprintf(j.out, "%.3f %s\n", time.Since(j.started).Seconds(), fmt.Sprintf(format, args...))
}

// message notes what has happened to one, if it is this peer's own.
func (j *journal) message(what string, author peer.ID, seqno []byte) {
	if author != j.self || len(seqno) != 8 {
		return
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	number := binary.BigEndian.Uint64(seqno)
	if j.first == 0 {
		j.first = number
	}
	now := time.Since(j.started)
	if len(j.fates) == 0 {
		time.AfterFunc(collectTime, func() {
			j.mutex.Lock()
			defer j.mutex.Unlock()
			j.endFates()
		})
	}
	at := slices.IndexFunc(j.fates, func(one fate) bool { return one.what == what })
	if at < 0 {
		at = len(j.fates)
		j.fates = append(j.fates, fate{what: what, since: now})
	}
	j.fates[at].of = append(j.fates[at].of, number-j.first)
}

func (j *journal) endFates() {
	for _, one := range j.fates {
		fmt.Fprintf(j.out, "%.3f %s%s\n", one.since.Seconds(), one.what, ranges(one.of))
	}
	j.fates = nil
}

func ranges(numbers []uint64) string {
	var text strings.Builder
	slices.Sort(numbers)
	for from := 0; from < len(numbers); {
		to := from
		for to+1 < len(numbers) && numbers[to+1] == numbers[to]+1 {
			to++
		}
		fmt.Fprintf(&text, " %d-%d", numbers[from], numbers[to])
		from = to + 1
	}
	return text.String()
}

func (j *journal) rpc(what string, rpc *pubsub.RPC, other peer.ID) {
	for _, message := range rpc.GetPublish() {
		j.message(fmt.Sprintf("%s %s", what, shortID(other)), peer.ID(message.GetFrom()), message.GetSeqno())
	}
	if control := describe(rpc); control != "" {
		j.event("%s %s%s", what, shortID(other), control)
	}
}

// describe tells of subscriptions and control, but for IDONTWANT.
func describe(rpc *pubsub.RPC) string {
	var text strings.Builder
	for _, one := range rpc.GetSubscriptions() {
		fmt.Fprintf(&text, " subscribe(%s, %t)", one.GetTopicid(), one.GetSubscribe())
	}
	control := rpc.GetControl()
	for _, one := range control.GetGraft() {
		fmt.Fprintf(&text, " graft(%s)", one.GetTopicID())
	}
	for _, one := range control.GetPrune() {
		fmt.Fprintf(&text, " prune(%s, %d s)", one.GetTopicID(), one.GetBackoff())
	}
	for _, one := range control.GetIhave() {
		fmt.Fprintf(&text, " ihave(%d)", len(one.GetMessageIDs()))
	}
	for _, one := range control.GetIwant() {
		fmt.Fprintf(&text, " iwant(%d)", len(one.GetMessageIDs()))
	}
	return text.String()
}

func shortID(id peer.ID) string {
	text := id.String()
	return text[max(0, len(text)-6):]
}

func (j *journal) OnNewOutboundStream(to peer.ID, proto protocol.ID) {
	j.event("stream to %s opened: %s", shortID(to), proto)
}

func (j *journal) OnClosedOutboundStream(to peer.ID) {
	j.event("stream to %s closed", shortID(to))
}

func (j *journal) Graft(other peer.ID, topic string) {
	j.event("mesh of %s takes %s", topic, shortID(other))
}

func (j *journal) Prune(other peer.ID, topic string) {
	j.event("mesh of %s loses %s", topic, shortID(other))
}

// ValidateMessage is told of each message, this peer's own included, before it is sent to anybody.
func (j *journal) ValidateMessage(message *pubsub.Message) {
	j.message("published", message.GetFrom(), message.GetSeqno())
}

func (j *journal) RecvRPC(rpc *pubsub.RPC) {
	if control := describe(rpc); control != "" {
		j.event("received%s", control)
	}
}

func (j *journal) SendRPC(rpc *pubsub.RPC, to peer.ID) { j.rpc("queued to", rpc, to) }
func (j *journal) DropRPC(rpc *pubsub.RPC, to peer.ID) { j.rpc("dropped to", rpc, to) }
func (j *journal) SendRPCCompleted(rpc *pubsub.RPC, to peer.ID, _ time.Duration) {
	j.rpc("written to", rpc, to)
}
