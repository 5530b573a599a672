package main

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
)

// command is one line of the standard input; which fields it has depends on what is to be done.
type command struct {
	ID        int      `json:"id"`
	Do        string   `json:"do"`
	Topic     string   `json:"topic"`
	Data      [][]byte `json:"data"`
	Multiaddr string   `json:"multiaddr"`
	PeerID    string   `json:"peerId"`
	Protocol  string   `json:"protocol"`
	Body      []byte   `json:"body"`
	Cid       string   `json:"cid"`
}

type answer struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// output writes lines of JSON, one at a time, whoever has something to say.
type output struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func newOutput(writer io.Writer) *output {
	return &output{encoder: json.NewEncoder(writer)}
}

func (out *output) say(line any) {
	out.mutex.Lock()
	defer out.mutex.Unlock()
	// Nobody reads any more: the end of the input ends the program.
	_ = out.encoder.Encode(line)
}

// serve carries commands out until the input ends. Publishing keeps the order of the commands; nothing else waits for anything else.
func serve(input io.Reader, out *output, carryOut func(command) (any, error)) error {
	decoder := json.NewDecoder(bufio.NewReader(input))
	for {
		var next command
		if err := decoder.Decode(&next); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		answerIt := func() {
			result, err := carryOut(next)
			if err != nil {
				out.say(answer{ID: next.ID, Error: err.Error()})
				return
			}
			out.say(answer{ID: next.ID, Result: result})
		}
		if next.Do == "publish" {
			answerIt()
		} else {
			go answerIt()
		}
	}
}
