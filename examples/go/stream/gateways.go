// Package stream follows a topic of Peergate without losing a message, and publishes each message once. Its types of
// messages and its calls of REST are of the client that oapi-codegen makes of openapi.yaml.
package stream

import (
	"context"
	"math/rand/v2"
	"time"
)

// Gateways are those of one database, or a single one. They are tried in turn.
type Gateways struct {
	URLs []string
	// Token is empty where gateways need none.
	Token string
	// Pauses between attempts: at most FirstPause after the first failure, doubled with each to LastPause.
	FirstPause, LastPause time.Duration
}

// turns counts attempts: each is at the next gateway, and behind a longer pause until one succeeds.
type turns struct {
	gateways           Gateways
	attempts, failures int
}

func (t *turns) url() string {
	t.attempts++
	return t.gateways.URLs[(t.attempts-1)%len(t.gateways.URLs)]
}

// wait pauses with full jitter, so that clients which lost one gateway together do not come back together. The jitter is
// added to what the gateway asked for.
func (t *turns) wait(ctx context.Context, least time.Duration) error {
	longest := t.gateways.FirstPause
	for range t.failures {
		if longest = 2 * longest; longest >= t.gateways.LastPause {
			longest = t.gateways.LastPause
			break
		}
	}
	t.failures++
	pause := time.NewTimer(least + time.Duration(rand.Float64()*float64(longest)))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return nil
	}
}
