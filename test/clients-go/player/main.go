// Plays clients/scenario.md: player URL…, with the lines of test/fixtures/player-program.ts.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"example/stream"
)

var output sync.Mutex

func tell(told map[string]any) error {
	output.Lock()
	defer output.Unlock()
	return json.NewEncoder(os.Stdout).Encode(told)
}

func main() {
	gateways := stream.Gateways{URLs: os.Args[1:], FirstPause: 20 * time.Millisecond, LastPause: 200 * time.Millisecond}
	publisher, err := stream.NewPublisher(gateways)
	if err != nil {
		log.Fatal(err)
	}
	go publishLines(publisher)
	log.Fatal(follow(gateways))
}

func publishLines(publisher *stream.Publisher) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		go func(text string) {
			if _, err := publisher.Publish(context.Background(), "orders", text); err != nil {
				log.Fatal(err)
			}
			if err := tell(map[string]any{"answered": text}); err != nil {
				log.Fatal(err)
			}
		}(lines.Text())
	}
}

var errLeft = errors.New("the loop was left")

func follow(gateways stream.Gateways) error {
	position := "earliest"
	for left := 0; ; left++ {
		taken := 0
		follower := stream.Follower{Gateways: gateways, Topic: "orders", Position: position, Handle: func(item stream.Item) error {
			if item.Gap != nil {
				return fmt.Errorf("a gap: %v", *item.Gap)
			}
			// The loop is left now and then: what it has then does not count as handled.
			if taken++; taken > 100 && left < 3 {
				return errLeft
			}
			return tell(map[string]any{"seen": map[string]any{"cursor": item.Cursor, "data": item.Message.Data}})
		}}
		if err := follower.Run(context.Background()); !errors.Is(err, errLeft) {
			return err
		}
		position = follower.Position
	}
}
