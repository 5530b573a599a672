package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// subscriptionBuffer is more messages than any test publishes: what the subscriber does not take in time is dropped without a word.
const subscriptionBuffer = 100_000

type messageEvent struct {
	Event string `json:"event"`
	Topic string `json:"topic"`
	From  string `json:"from"`
	Data  []byte `json:"data"`
}

type gossip struct {
	router *pubsub.PubSub
	self   peer.ID
	out    *output
	losses *lossCounter
	mutex  sync.Mutex
	topics map[string]*pubsub.Topic
}

func newGossip(ctx context.Context, node host.Host, wanted settings, out *output) (*gossip, error) {
	losses := &lossCounter{dropped: map[peer.ID]map[string]struct{}{}}
	options := []pubsub.Option{pubsub.WithRawTracer(losses), pubsub.WithRawTracer(newJournal(node.ID(), os.Stderr))}
	if wanted.SeqnoValidator {
		seqnos := &lastSeqnos{of: map[peer.ID][]byte{}, writeTime: time.Duration(wanted.SeqnoWriteMs) * time.Millisecond}
		validator := pubsub.NewBasicSeqnoValidator(seqnos, slog.Default())
		options = append(options, pubsub.WithDefaultValidator(validator))
	}
	router, err := pubsub.NewGossipSub(ctx, node, options...)
	if err != nil {
		return nil, err
	}
	return &gossip{router: router, self: node.ID(), out: out, losses: losses, topics: map[string]*pubsub.Topic{}}, nil
}

func (g *gossip) join(name string) (*pubsub.Topic, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if topic, joined := g.topics[name]; joined {
		return topic, nil
	}
	topic, err := g.router.Join(name)
	if err == nil {
		g.topics[name] = topic
	}
	return topic, err
}

// subscribe tells of each message of others from now on.
func (g *gossip) subscribe(ctx context.Context, name string) error {
	topic, err := g.join(name)
	if err != nil {
		return err
	}
	subscription, err := topic.Subscribe(pubsub.WithBufferSize(subscriptionBuffer))
	if err != nil {
		return err
	}
	go func() {
		for {
			message, err := subscription.Next(ctx)
			if err != nil {
				return
			}
			if message.GetFrom() != g.self {
				g.out.say(messageEvent{Event: "message", Topic: name, From: message.GetFrom().String(), Data: message.Data})
			}
		}
	}()
	return nil
}

// publish publishes one after another without a pause.
func (g *gossip) publish(ctx context.Context, name string, data [][]byte) error {
	topic, err := g.join(name)
	if err != nil {
		return err
	}
	for _, one := range data {
		if err := topic.Publish(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (g *gossip) subscribers(name string) []string {
	return texts(g.router.ListPeers(name))
}

// lastSeqnos is where BasicSeqnoValidator keeps the last sequence number of each author.
type lastSeqnos struct {
	mutex     sync.Mutex
	of        map[peer.ID][]byte
	writeTime time.Duration
}

func (s *lastSeqnos) Get(_ context.Context, author peer.ID) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.of[author], nil
}

func (s *lastSeqnos) Put(_ context.Context, author peer.ID, seqno []byte) error {
	time.Sleep(s.writeTime)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.of[author] = seqno
	return nil
}

// lossCounter counts messages that this peer lost by itself.
type lossCounter struct {
	silentTracer
	mutex sync.Mutex
	// Messages by the neighbour whose queue was full (32 by default), by author and sequence number. One that the neighbour
	// asked for later has left all the same.
	dropped map[peer.ID]map[string]struct{}
	// Of others, which found its queue to validation full (32 by default).
	refused int
}

func (c *lossCounter) DropRPC(rpc *pubsub.RPC, to peer.ID) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.dropped[to] == nil {
		c.dropped[to] = map[string]struct{}{}
	}
	for _, message := range rpc.GetPublish() {
		c.dropped[to][pubsub.DefaultMsgIdFn(message)] = struct{}{}
	}
}

func (c *lossCounter) SendRPC(rpc *pubsub.RPC, to peer.ID) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, message := range rpc.GetPublish() {
		delete(c.dropped[to], pubsub.DefaultMsgIdFn(message))
	}
}

func (c *lossCounter) RejectMessage(_ *pubsub.Message, reason string) {
	if reason != pubsub.RejectValidationQueueFull && reason != pubsub.RejectValidationThrottled {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.refused++
}

func (c *lossCounter) allDropped() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	all := 0
	for _, messages := range c.dropped {
		all += len(messages)
	}
	return all
}

func (c *lossCounter) droppedTo(to peer.ID) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.dropped[to])
}

func (c *lossCounter) allRefused() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.refused
}
