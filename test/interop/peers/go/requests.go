package main

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// requestTime is how long a request may take, the stream included.
const requestTime = 20 * time.Second

// Requests of Peergate: a stream each, one message there and one back, with the length before it as 4 bytes, big endian.

type askedEvent struct {
	Event    string `json:"event"`
	Protocol string `json:"protocol"`
	From     string `json:"from"`
	Body     []byte `json:"body"`
}

// ask sends one request, over a relay too, and returns its answer.
func ask(ctx context.Context, node host.Host, to peer.ID, name protocol.ID, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "a request"), requestTime)
	defer cancel()
	stream, err := node.NewStream(ctx, to, name)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return nil, err
	}
	if err := writeMessage(stream, body); err != nil {
		return nil, err
	}
	return readMessage(stream)
}

// answerWith gives every request of a protocol the same answer, and tells of it.
func answerWith(node host.Host, name protocol.ID, body []byte, out *output) {
	node.SetStreamHandler(name, func(stream network.Stream) {
		defer stream.Close()
		asked, err := readMessage(stream)
		if err != nil {
			_ = stream.Reset()
			return
		}
		out.say(askedEvent{Event: "asked", Protocol: string(name), From: stream.Conn().RemotePeer().String(), Body: asked})
		if err := writeMessage(stream, body); err != nil {
			_ = stream.Reset()
		}
	})
}

func writeMessage(writer io.Writer, body []byte) error {
	_, err := writer.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readMessage(reader io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(reader, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	body := make([]byte, length)
	_, err := io.ReadFull(reader, body)
	return body, err
}
