package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
)

// maxProviders is how many providers end a search.
const maxProviders = 20

func newHost(wanted settings) (host.Host, error) {
	key, err := loadKey(wanted.KeyFile)
	if err != nil {
		return nil, err
	}
	agent := "interop-go"
	if wanted.SeqnoWriteMs > 0 {
		agent = "kubo/interop"
	}
	options := []libp2p.Option{libp2p.Identity(key), libp2p.UserAgent(agent)}
	if len(wanted.Listen) == 0 {
		// It takes the transport of relays with it.
		options = append(options, libp2p.NoListenAddrs, libp2p.EnableRelay())
	} else {
		options = append(options, libp2p.ListenAddrStrings(wanted.Listen...))
	}
	if wanted.Relay {
		// Without them it waits to be told that it can be reached from outside, and tells no private address of its own.
		everyAddress := relay.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return true })
		options = append(options, libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithInfiniteLimits(), everyAddress))
	}
	if wanted.Punch {
		options = append(options, libp2p.EnableHolePunching())
	}
	if wanted.PrivateNetworkKey != "" {
		secret, err := hex.DecodeString(wanted.PrivateNetworkKey)
		if err != nil || len(secret) != 32 {
			return nil, fmt.Errorf("the key of a private network has 64 hexadecimal digits")
		}
		options = append(options, libp2p.PrivateNetwork(secret))
	}
	return libp2p.New(options...)
}

// newLocalDht takes part in the DHT of the local network, as Kubo does.
func newLocalDht(node host.Host) (*dht.IpfsDHT, error) {
	return dht.New(
		node,
		dht.ProtocolExtension("/lan"),
		dht.Mode(dht.ModeServer),
		dht.QueryFilter(dht.PrivateQueryFilter),
		dht.RoutingTableFilter(dht.PrivateRoutingTableFilter),
	)
}

func findProviders(ctx context.Context, table *dht.IpfsDHT, content cid.Cid) []string {
	providers := []peer.ID{}
	for provider := range table.FindProvidersAsync(ctx, content, maxProviders) {
		providers = append(providers, provider.ID)
	}
	return texts(providers)
}

// dialler dials what mDNS finds.
type dialler struct {
	ctx  context.Context
	node host.Host
}

func (d dialler) HandlePeerFound(found peer.AddrInfo) {
	go func() {
		// Who cannot be dialled announces itself again.
		_ = d.node.Connect(d.ctx, found)
	}()
}

func startMdns(ctx context.Context, node host.Host) error {
	return mdns.NewMdnsService(node, mdns.ServiceName, dialler{ctx: ctx, node: node}).Start()
}

func texts(peers []peer.ID) []string {
	ids := []string{}
	for _, one := range peers {
		ids = append(ids, one.String())
	}
	return ids
}
