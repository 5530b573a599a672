package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"

	"tour/peergate"
)

func main() {
	url, token := os.Args[1], os.Args[2]
	ctx := context.Background()
	client, err := peergate.NewClientWithResponses(url, peergate.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+token)
			return nil
		}))
	check(err)

	node, err := client.GetNodeWithResponse(ctx)
	check(err)
	expect(node.JSON200 != nil, node.Body)

	maxMessages, maxBytes := int64(100), int64(9007199254740991)
	retention := peergate.RetentionInput{MaxMessages: &maxMessages, MaxBytes: &maxBytes}
	joined, err := client.JoinTopicWithResponse(ctx, "orders", peergate.TopicJoin{Retention: &retention})
	check(err)
	expect(joined.JSON201 != nil, joined.Body)

	published, err := client.PublishToTopicWithResponse(ctx, "orders", nil, peergate.Payload{Data: "hello"})
	check(err)
	expect(published.JSON201 != nil, published.Body)

	messages := []peergate.AddressedPayload{{Topic: "orders", Data: "one"}, {Topic: "orders", Data: "two"}}
	listed, err := client.PublishMessagesWithResponse(ctx, nil, peergate.AddressedPayloadList{Messages: messages})
	check(err)
	expect(listed.JSON201 != nil, listed.Body)
	ids := []string{}
	for _, item := range listed.JSON201.Items {
		ids = append(ids, item.Id)
	}

	raw, err := client.PublishToTopicWithBodyWithResponse(
		ctx, "orders", nil, "application/octet-stream", bytes.NewReader([]byte{0, 255, 10}))
	check(err)
	expect(raw.JSON201 != nil, raw.Body)
	data, err := client.GetMessageDataWithResponse(ctx, raw.JSON201.Id)
	check(err)

	order, inJSON := map[string]any{"order": 17}, peergate.Json
	_, err = client.PublishToTopicWithResponse(ctx, "orders", nil, peergate.Payload{Data: order, Encoding: &inJSON})
	check(err)

	history := [][]any{}
	after, limit := "earliest", int32(2)
	for {
		page, err := client.ListTopicMessagesWithResponse(
			ctx, "orders", &peergate.ListTopicMessagesParams{After: &after, Limit: &limit, Encoding: &inJSON})
		check(err)
		expect(page.JSON200 != nil, page.Body)
		items := []any{}
		for _, message := range page.JSON200.Items {
			items = append(items, message.Data)
		}
		history = append(history, items)
		if page.JSON200.CaughtUp {
			break
		}
		after = page.JSON200.Newer
	}

	expiresInMs := int64(60_000)
	sent, err := client.SendToPeerWithResponse(ctx, "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu", nil,
		peergate.DirectPayload{Data: "hello", ExpiresInMs: &expiresInMs})
	check(err)
	expect(sent.JSON202 != nil, sent.Body)
	cancelled, err := client.CancelDeliveryWithResponse(ctx, sent.JSON202.Id)
	check(err)
	expect(cancelled.JSON200 != nil, cancelled.Body)

	created, err := client.CreateTokenWithResponse(ctx, nil, peergate.TokenInput{
		Name: "tour", Actions: []peergate.TokenInputActions{"read"}, Topics: &[]string{"orders"}})
	check(err)
	expect(created.JSON201 != nil, created.Body)

	refused, err := client.GetTopicWithResponse(ctx, "nobody")
	check(err)
	expect(refused.ApplicationproblemJSON404 != nil, refused.Body)

	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"node":      map[string]any{"peerId": node.JSON200.PeerId, "maxMessageBytes": node.JSON200.Limits["maxMessageBytes"]},
		"retention": joined.JSON201.Retention,
		"published": published.JSON201.Id,
		"listed":    ids,
		"bytes":     data.Body,
		"history":   history,
		"delivery":  map[string]any{"to": sent.JSON202.To, "state": cancelled.JSON200.State},
		"token": map[string]any{
			"name": created.JSON201.Name, "actions": created.JSON201.Actions, "expiresAt": created.JSON201.ExpiresAt},
		"refused": map[string]any{"status": refused.StatusCode(), "code": refused.ApplicationproblemJSON404.Code},
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// expect ends the program with the answer of the gateway if it is not the expected one.
func expect(ok bool, body []byte) {
	if !ok {
		log.Fatal(fmt.Sprintf("the gateway answered %s", body))
	}
}
