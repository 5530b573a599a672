package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"

	"tour/peergate"
)

func main() {
	gateway, token := os.Args[1], os.Args[2]
	configuration := peergate.NewConfiguration()
	configuration.Servers = peergate.ServerConfigurations{{URL: gateway}}
	client := peergate.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), peergate.ContextAccessToken, token)

	node, _, err := client.NodeAPI.GetNode(ctx).Execute()
	check(err)

	retention := peergate.NewRetentionInput()
	retention.SetMaxMessages(100)
	retention.SetMaxBytes(9007199254740991)
	topic, _, err := client.TopicsAPI.JoinTopic(ctx, "orders").TopicJoin(peergate.TopicJoin{Retention: retention}).Execute()
	check(err)

	published, _, err := client.MessagesAPI.PublishToTopic(ctx, "orders").Payload(*peergate.NewPayload("hello")).Execute()
	check(err)

	several := []peergate.AddressedPayload{{Topic: "orders", Data: "one"}, {Topic: "orders", Data: "two"}}
	listed, _, err := client.MessagesAPI.PublishMessages(ctx).
		AddressedPayloadList(peergate.AddressedPayloadList{Messages: several}).Execute()
	check(err)
	ids := []string{}
	for _, item := range listed.Items {
		ids = append(ids, item.Id)
	}

	// The generated method takes only JSON; the HTTP client of the configuration sends bytes.
	binary, err := publishBytes(ctx, configuration, "orders", []byte{0, 255, 10})
	check(err)
	file, _, err := client.MessagesAPI.GetMessageData(ctx, binary.Id).Execute()
	check(err)
	defer os.Remove(file.Name())
	data, err := io.ReadAll(file)
	check(err)

	order := peergate.NewPayload(map[string]any{"order": 17})
	order.SetEncoding(peergate.JSON)
	_, _, err = client.MessagesAPI.PublishToTopic(ctx, "orders").Payload(*order).Execute()
	check(err)

	history := [][]any{}
	for after := "earliest"; ; {
		page, _, err := client.MessagesAPI.ListTopicMessages(ctx, "orders").After(after).Limit(2).
			Encoding(peergate.JSON).Execute()
		check(err)
		items := []any{}
		for _, message := range page.Items {
			items = append(items, message.Data)
		}
		history = append(history, items)
		if page.CaughtUp {
			break
		}
		after = page.Newer
	}

	outgoing := peergate.NewDirectPayload("hello")
	outgoing.SetExpiresInMs(60_000)
	sent, _, err := client.DirectMessagesAPI.SendToPeer(ctx, "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu").
		DirectPayload(*outgoing).Execute()
	check(err)
	cancelled, _, err := client.DirectMessagesAPI.CancelDelivery(ctx, sent.Id).Execute()
	check(err)

	rights := peergate.NewTokenInput("tour", []string{"read"})
	rights.SetTopics([]string{"orders"})
	created, _, err := client.AccessAPI.CreateToken(ctx).TokenInput(*rights).Execute()
	check(err)

	_, response, err := client.TopicsAPI.GetTopic(ctx, "nobody").Execute()
	var refused *peergate.GenericOpenAPIError
	if !errors.As(err, &refused) {
		log.Fatalf("an unknown topic answered %v", err)
	}
	problem, ok := refused.Model().(peergate.Problem)
	if !ok {
		log.Fatalf("an unknown topic answered %s", refused.Body())
	}

	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"node":      map[string]any{"peerId": node.PeerId, "maxMessageBytes": node.Limits["maxMessageBytes"]},
		"retention": topic.Retention,
		"published": published.Id,
		"listed":    ids,
		"bytes":     data,
		"history":   history,
		"delivery":  map[string]any{"to": sent.To, "state": cancelled.State},
		"token":     map[string]any{"name": created.Name, "actions": created.Actions, "expiresAt": created.ExpiresAt.Get()},
		"refused":   map[string]any{"status": response.StatusCode, "code": problem.Code},
	}))
}

func publishBytes(ctx context.Context, to *peergate.Configuration, topic string, data []byte) (*peergate.Published, error) {
	base, err := to.ServerURLWithContext(ctx, "MessagesAPIService.PublishToTopic")
	if err != nil {
		return nil, err
	}
	at := base + "/v1/topics/" + url.PathEscape(topic) + "/messages"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", fmt.Sprint("Bearer ", ctx.Value(peergate.ContextAccessToken)))
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := to.HTTPClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return nil, errors.New(response.Status)
	}
	published := &peergate.Published{}
	return published, json.NewDecoder(response.Body).Decode(published)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
