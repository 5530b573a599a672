package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"example/peergate"
)

// The largest frame that is read. The library's own limit of 32 KiB is less than a message can have.
const maxFrameBytes = 64 << 20

// For a connection and its first frame.
const openTimeout = 15 * time.Second

// A connection counts as a success, and the pauses begin anew, when it was open for as long.
const proven = 5 * time.Second

// An Item is a message or a gap.
type Item struct {
	// Message is nil for a gap.
	Message *peergate.Message
	Gap     *Gap
	// Cursor is the position after it.
	Cursor string
}

// A Gap says that messages after From, up to and including To, are missing. Reasons: docs/stream-protocol.md, and
// "expired" or "other-log" when the position itself is of no use any more.
type Gap struct{ From, To, Reason string }

// A Refusal is an error that will be the same at the next attempt.
type Refusal struct{ Code, Detail string }

func (r Refusal) Error() string { return r.Code + ": " + r.Detail }

// frame has the fields of all frames that are read.
type frame struct {
	Type         string            `json:"type"`
	Cursor       string            `json:"cursor"`
	Message      *peergate.Message `json:"message"`
	From         string            `json:"from"`
	To           string            `json:"to"`
	Reason       string            `json:"reason"`
	HeartbeatMs  int64             `json:"heartbeatMs"`
	RetryAfterMs int64             `json:"retryAfterMs"`
	Code         string            `json:"code"`
	Detail       string            `json:"detail"`
	Retryable    bool              `json:"retryable"`
}

// A Follower reads a topic, or a pattern of topics, across lost connections.
type Follower struct {
	Gateways Gateways
	Topic    string
	// Position is where to begin: a cursor, "earliest" or "latest". Afterwards it is the position to go on from.
	Position string
	// Handle is called with one item after the other. Nothing is read meanwhile, which is how the gateway learns to
	// wait; one that takes longer than two heartbeats (50 s) may lose the connection, but no message. Its error ends
	// Run: the item does not count as handled.
	Handle func(Item) error
	// Lost is told of each connection that failed or was lost, before the pause. It may be nil.
	Lost func(error)
}

// handlerError is of Handle, and not of the connection.
type handlerError struct{ error }

// Run returns the error of Handle, a Refusal, or the error of the context.
func (f *Follower) Run(ctx context.Context) error {
	turns := turns{gateways: f.Gateways}
	for {
		retryAfter, err := f.connect(ctx, &turns)
		var handler handlerError
		var refusal Refusal
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &handler):
			return handler.error
		case errors.As(err, &refusal):
			return refusal
		case isFinal(websocket.CloseStatus(err)):
			return Refusal{"connection_closed", err.Error()}
		}
		if f.Lost != nil {
			f.Lost(err)
		}
		if err := turns.wait(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// isFinal: these close codes ask for a change first (docs/stream-protocol.md, Close codes).
func isFinal(code websocket.StatusCode) bool {
	switch code {
	case 1002, 1003, 1007, 1008, 1009, 4100:
		return true
	}
	return code >= 4500 && code < 5000
}

// connect follows over one connection until it ends. The duration is what the gateway asked for before the next one.
func (f *Follower) connect(ctx context.Context, turns *turns) (retryAfter time.Duration, err error) {
	header := http.Header{}
	if f.Gateways.Token != "" {
		header.Set("Authorization", "Bearer "+f.Gateways.Token)
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	address := strings.TrimRight(strings.Replace(turns.url(), "http", "ws", 1), "/") + "/v1/stream"
	conn, _, err := websocket.Dial(opening, address, &websocket.DialOptions{
		HTTPHeader:   header,
		Subprotocols: []string{"peergate.v1.json"},
	})
	if err != nil {
		return 0, err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrameBytes)

	welcome, err := read(opening, conn)
	if err != nil {
		return 0, err
	}
	if welcome.Type == "error" && !welcome.Retryable {
		return 0, Refusal{welcome.Code, welcome.Detail}
	}
	if welcome.Type != "welcome" {
		return 0, fmt.Errorf("the gateway began with %q", welcome.Type)
	}
	opened := time.Now()
	defer func() {
		if time.Since(opened) >= proven {
			turns.failures = 0
		}
	}()
	if err := f.subscribe(opening, conn); err != nil {
		return 0, err
	}
	// A quiet subscription has progress with each heartbeat.
	silence := 2 * max(time.Duration(welcome.HeartbeatMs)*time.Millisecond, time.Second)
	var lost *Gap
	for {
		frame, err := readWithin(ctx, conn, silence)
		if err != nil {
			return retryAfter, err
		}
		switch frame.Type {
		case "subscribed":
			if lost != nil {
				lost.To = frame.Cursor
				err = f.handle(Item{Gap: lost, Cursor: frame.Cursor})
				lost = nil
			}
			f.Position = frame.Cursor
		case "message":
			if frame.Message == nil {
				return 0, errors.New("a message frame has no message")
			}
			err = f.handle(Item{Message: frame.Message, Cursor: frame.Message.Cursor})
		case "gap":
			err = f.handle(Item{Gap: &Gap{frame.From, frame.To, frame.Reason}, Cursor: frame.To})
		case "caught-up", "progress":
			f.Position = frame.Cursor
		case "closing":
			retryAfter = afterMs(frame.RetryAfterMs)
		case "error":
			reason, isLost := lostPositions[frame.Code]
			switch {
			case frame.Retryable:
				return afterMs(frame.RetryAfterMs), fmt.Errorf("%s: %s", frame.Code, frame.Detail)
			case !isLost || f.Position == "earliest":
				return 0, Refusal{frame.Code, frame.Detail}
			}
			lost = &Gap{From: f.Position, Reason: reason}
			f.Position = "earliest"
			err = f.subscribe(ctx, conn)
		}
		if err != nil {
			return 0, err
		}
	}
}

// Positions that the gateway refuses, with the reason of the gap up to where it can begin.
var lostPositions = map[string]string{
	"cursor_expired":        "expired",
	"cursor_epoch_mismatch": "other-log",
	"cursor_ahead":          "other-log",
}

// However long a gateway asks to wait.
const maxRetryAfter = 2 * time.Minute

func afterMs(ms int64) time.Duration {
	return min(max(time.Duration(ms)*time.Millisecond, 0), maxRetryAfter)
}

func (f *Follower) subscribe(ctx context.Context, conn *websocket.Conn) error {
	text, err := json.Marshal(map[string]any{"type": "subscribe", "topics": []string{f.Topic}, "after": f.Position})
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, text)
}

func (f *Follower) handle(item Item) error {
	if err := f.Handle(item); err != nil {
		return handlerError{err}
	}
	f.Position = item.Cursor
	return nil
}

func readWithin(ctx context.Context, conn *websocket.Conn, silence time.Duration) (frame, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	return read(ctx, conn)
}

func read(ctx context.Context, conn *websocket.Conn) (frame, error) {
	var read frame
	_, text, err := conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}
