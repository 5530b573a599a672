package main

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// silentTracer is told everything and does nothing: who embeds it names only what it needs.
type silentTracer struct{}

func (silentTracer) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (silentTracer) OnClosedOutboundStream(peer.ID)                       {}
func (silentTracer) Join(string)                                          {}
func (silentTracer) Leave(string)                                         {}
func (silentTracer) Graft(peer.ID, string)                                {}
func (silentTracer) Prune(peer.ID, string)                                {}
func (silentTracer) ValidateMessage(*pubsub.Message)                      {}
func (silentTracer) DeliverMessage(*pubsub.Message)                       {}
func (silentTracer) RejectMessage(*pubsub.Message, string)                {}
func (silentTracer) DuplicateMessage(*pubsub.Message)                     {}
func (silentTracer) ThrottlePeer(peer.ID)                                 {}
func (silentTracer) RecvRPC(*pubsub.RPC)                                  {}
func (silentTracer) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (silentTracer) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
func (silentTracer) DropRPC(*pubsub.RPC, peer.ID)                         {}
func (silentTracer) UndeliverableMessage(*pubsub.Message)                 {}
