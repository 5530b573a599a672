package stream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example/peergate"
)

// A Publisher keeps the connections to gateways between calls. Goroutines may share it.
type Publisher struct {
	gateways Gateways
	clients  map[string]*peergate.ClientWithResponses
}

// NewPublisher fails when a URL is not valid.
func NewPublisher(gateways Gateways) (*Publisher, error) {
	clients := map[string]*peergate.ClientWithResponses{}
	for _, url := range gateways.URLs {
		client, err := peergate.NewClientWithResponses(url, peergate.WithHTTPClient(&http.Client{Timeout: time.Minute}),
			peergate.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
				if gateways.Token != "" {
					request.Header.Set("Authorization", "Bearer "+gateways.Token)
				}
				return nil
			}))
		if err != nil {
			return nil, err
		}
		clients[url] = client
	}
	return &Publisher{gateways, clients}, nil
}

// Publish returns when the message is on the disk of a gateway. It is repeated with its key until it is answered, so it
// is stored once.
func (p *Publisher) Publish(ctx context.Context, topic, data string) (*peergate.Published, error) {
	key := rand.Text()
	turns := turns{gateways: p.gateways}
	for {
		client := p.clients[turns.url()]
		answer, err := client.PublishToTopicWithResponse(
			ctx, topic, &peergate.PublishToTopicParams{IdempotencyKey: &key}, peergate.Payload{Data: data})
		if err == nil && answer.JSON201 != nil {
			return answer.JSON201, nil
		}
		if err == nil {
			// A proxy in front of a gateway answers with whatever it likes, which leaves the problem empty.
			var problem peergate.Problem
			if json.Unmarshal(answer.Body, &problem) == nil && problem.Code != "" && !problem.Retryable {
				return nil, fmt.Errorf("%s: %s", problem.Code, problem.Detail)
			}
		}
		if err := turns.wait(ctx, 0); err != nil {
			return nil, err
		}
	}
}
