// Prints the messages of a topic as they arrive, each once, through lost connections: follow TOPIC [URL…]. The URLs are
// of gateways with one database. PEERGATE_TOKEN has the token, if gateways need one.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example/stream"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: follow TOPIC [URL…]")
	}
	urls := os.Args[2:]
	if len(urls) == 0 {
		urls = []string{"http://127.0.0.1:7070"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	follower := stream.Follower{
		Gateways: stream.Gateways{
			URLs:       urls,
			Token:      os.Getenv("PEERGATE_TOKEN"),
			FirstPause: 500 * time.Millisecond,
			LastPause:  30 * time.Second,
		},
		Topic:    os.Args[1],
		Position: "earliest",
		Handle: func(item stream.Item) error {
			if item.Gap != nil {
				fmt.Fprintf(os.Stderr, "messages are missing (%s)\n", item.Gap.Reason)
				return nil
			}
			_, err := fmt.Println(item.Message.Data)
			return err
		},
		Lost: func(err error) { log.Printf("connecting again: %v", err) },
	}
	if err := follower.Run(ctx); ctx.Err() == nil {
		log.Fatal(err)
	}
}
