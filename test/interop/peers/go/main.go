// A libp2p peer in Go that does what a test tells it: see ../README.md.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/multiformats/go-multiaddr"
)

// commandTime bounds what waits for other peers.
const commandTime = 20 * time.Second

// punchingPoll is the pause between two looks at whether the host punches holes; it tells nobody when it begins.
const punchingPoll = 50 * time.Millisecond

type listeningEvent struct {
	Event      string   `json:"event"`
	PeerID     string   `json:"peerId"`
	Multiaddrs []string `json:"multiaddrs"`
}

// foreignPeer is what commands act upon.
type foreignPeer struct {
	node   host.Host
	gossip *gossip
	// Whether it opens direct connections through routers.
	punches bool
	// Nil without a DHT.
	table *dht.IpfsDHT
	out   *output
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("the settings are the one argument, as JSON")
	}
	wanted, err := parseSettings(os.Args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node, err := newHost(wanted)
	if err != nil {
		return err
	}
	defer node.Close()
	out := newOutput(os.Stdout)
	peerOfTest := foreignPeer{node: node, punches: wanted.Punch, out: out}
	if peerOfTest.gossip, err = newGossip(ctx, node, wanted, out); err != nil {
		return err
	}
	if wanted.Dht {
		if peerOfTest.table, err = newLocalDht(node); err != nil {
			return err
		}
	}
	if wanted.Mdns {
		if err := startMdns(ctx, node); err != nil {
			return err
		}
	}
	out.say(listeningEvent{Event: "listening", PeerID: node.ID().String(), Multiaddrs: multiaddrs(node)})
	return serve(os.Stdin, out, func(next command) (any, error) { return peerOfTest.carryOut(ctx, next) })
}

func multiaddrs(node host.Host) []string {
	addresses := []string{}
	for _, address := range node.Addrs() {
		addresses = append(addresses, fmt.Sprintf("%s/p2p/%s", address, node.ID()))
	}
	return addresses
}

func (p foreignPeer) carryOut(ctx context.Context, next command) (any, error) {
	switch next.Do {
	case "publish":
		return nil, p.gossip.publish(ctx, next.Topic, next.Data)
	case "subscribe":
		return nil, p.gossip.subscribe(ctx, next.Topic)
	case "subscribers":
		return p.gossip.subscribers(next.Topic), nil
	case "dropped":
		return p.dropped(next.PeerID)
	case "refused":
		return p.gossip.losses.allRefused(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	switch next.Do {
	case "dial":
		return nil, p.dial(ctx, next.Multiaddr)
	case "reserve":
		return p.reserve(ctx, next.Multiaddr)
	case "relayed":
		return p.relayed(next.PeerID)
	case "ask":
		to, err := peer.Decode(next.PeerID)
		if err != nil {
			return nil, err
		}
		return ask(ctx, p.node, to, protocol.ID(next.Protocol), next.Body)
	case "answer":
		answerWith(p.node, protocol.ID(next.Protocol), next.Body, p.out)
		return nil, nil
	case "provide", "findProviders":
		return p.inDht(ctx, next)
	}
	return nil, fmt.Errorf("this peer does not know how to do %q", next.Do)
}

// dropped counts those to one neighbour, or to all without one.
func (p foreignPeer) dropped(neighbour string) (int, error) {
	if neighbour == "" {
		return p.gossip.losses.allDropped(), nil
	}
	to, err := peer.Decode(neighbour)
	if err != nil {
		return 0, err
	}
	return p.gossip.losses.droppedTo(to), nil
}

func (p foreignPeer) dial(ctx context.Context, address string) error {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	return p.node.Connect(network.WithAllowLimitedConn(ctx, "a dial"), *info)
}

// reservation is what a relay has granted.
type reservation struct {
	Multiaddrs []string `json:"multiaddrs"`
	// Limits of a relayed link, 0 for none.
	Seconds float64 `json:"seconds"`
	Bytes   uint64  `json:"bytes"`
}

func (p foreignPeer) reserve(ctx context.Context, address string) (reservation, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return reservation{}, err
	}
	if err := p.node.Connect(ctx, *info); err != nil {
		return reservation{}, err
	}
	granted, err := client.Reserve(ctx, p.node, *info)
	if err != nil {
		return reservation{}, err
	}
	if err := p.untilPunching(ctx); err != nil {
		return reservation{}, err
	}
	result := reservation{Multiaddrs: []string{}, Seconds: granted.LimitDuration.Seconds(), Bytes: granted.LimitData}
	for _, one := range granted.Addrs {
		result.Multiaddrs = append(result.Multiaddrs, one.String())
	}
	return result, nil
}

// untilPunching waits until the host knows where others see it: until then it punches no holes.
func (p foreignPeer) untilPunching(ctx context.Context) error {
	for p.punches && !slices.Contains(p.node.Mux().Protocols(), holepunch.Protocol) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody has told this peer its public address")
		case <-time.After(punchingPoll):
		}
	}
	return nil
}

// relayed tells of each connection to a peer whether it goes through a relay.
func (p foreignPeer) relayed(peerID string) ([]bool, error) {
	to, err := peer.Decode(peerID)
	if err != nil {
		return nil, err
	}
	through := []bool{}
	for _, one := range p.node.Network().ConnsToPeer(to) {
		_, err := one.RemoteMultiaddr().ValueForProtocol(multiaddr.P_CIRCUIT)
		through = append(through, err == nil)
	}
	return through, nil
}

func (p foreignPeer) inDht(ctx context.Context, next command) (any, error) {
	if p.table == nil {
		return nil, fmt.Errorf("this peer takes no part in a DHT")
	}
	content, err := cid.Decode(next.Cid)
	if err != nil {
		return nil, err
	}
	if next.Do == "provide" {
		return nil, p.table.Provide(ctx, content, true)
	}
	return findProviders(ctx, p.table, content), nil
}
