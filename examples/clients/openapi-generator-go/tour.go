package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"tour/peergate"
)

func main() {
	url, token := os.Args[1], os.Args[2]
	configuration := peergate.NewConfiguration()
	configuration.Servers = peergate.ServerConfigurations{{URL: url}}
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

	// This generator knows only the JSON body of an operation that also takes bytes.
	encoded := peergate.NewPayload(base64.StdEncoding.EncodeToString([]byte{0, 255, 10}))
	encoded.SetEncoding(peergate.BASE64)
	binary, _, err := client.MessagesAPI.PublishToTopic(ctx, "orders").Payload(*encoded).Execute()
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

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
