import com.fasterxml.jackson.databind.ObjectMapper;
import dev.peergate.ApiClient;
import dev.peergate.ApiException;
import dev.peergate.api.AccessApi;
import dev.peergate.api.DirectMessagesApi;
import dev.peergate.api.MessagesApi;
import dev.peergate.api.NodeApi;
import dev.peergate.api.TopicsApi;
import dev.peergate.model.AddressedPayload;
import dev.peergate.model.AddressedPayloadList;
import dev.peergate.model.DirectPayload;
import dev.peergate.model.Encoding;
import dev.peergate.model.Message;
import dev.peergate.model.Payload;
import dev.peergate.model.Problem;
import dev.peergate.model.Published;
import dev.peergate.model.RetentionInput;
import dev.peergate.model.TokenInput;
import dev.peergate.model.TopicJoin;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

class Tour {
  public static void main(String[] arguments) throws Exception {
    var client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
    var messages = new MessagesApi(client);
    var topics = new TopicsApi(client);
    var direct = new DirectMessagesApi(client);

    var node = new NodeApi(client).getNode();

    var retention = new RetentionInput().maxMessages(100L).maxBytes(9007199254740991L);
    var topic = topics.joinTopic("orders", new TopicJoin().retention(retention));

    var published = messages.publishToTopic("orders", new Payload().data("hello"), null, null, null);

    var several = Stream.of("one", "two").map(data -> new AddressedPayload().topic("orders").data(data)).toList();
    var listed = messages.publishMessages(new AddressedPayloadList().messages(several), null, null, null);

    // The generated method takes only JSON; the client's own connection sends bytes.
    var request = HttpRequest.newBuilder(URI.create(client.getBaseUri() + "/v1/topics/orders/messages"))
        .header("Content-Type", "application/octet-stream")
        .POST(BodyPublishers.ofByteArray(new byte[] {0, (byte) 255, 10}));
    client.getRequestInterceptor().accept(request);
    var answer = client.getHttpClient().send(request.build(), BodyHandlers.ofString());
    if (answer.statusCode() != 201) throw new ApiException(answer.statusCode(), answer.body());
    var binary = client.getObjectMapper().readValue(answer.body(), Published.class);
    var file = messages.getMessageData(binary.getId()).toPath();
    var bytes = Files.readAllBytes(file);
    Files.delete(file);

    var order = new Payload().data(Map.of("order", 17)).encoding(Encoding.JSON);
    messages.publishToTopic("orders", order, null, null, null);

    var history = new ArrayList<List<Object>>();
    for (var after = "earliest"; ; ) {
      var page = messages.listTopicMessages("orders", after, null, null, null, null, null, 2, null, Encoding.JSON, null);
      history.add(page.getItems().stream().map(Message::getData).toList());
      if (page.getCaughtUp()) break;
      after = page.getNewer();
    }

    var outgoing = new DirectPayload().data("hello").expiresInMs(60_000L);
    var sent = direct.sendToPeer("12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu", outgoing, null);
    var cancelled = direct.cancelDelivery(sent.getId());

    var rights = new TokenInput().name("tour").actions(List.of(TokenInput.ActionsEnum.READ)).topics(List.of("orders"));
    var created = new AccessApi(client).createToken(rights, null);

    var json = new ObjectMapper();
    ApiException refused;
    try {
      topics.getTopic("nobody");
      throw new AssertionError("an unknown topic was found");
    } catch (ApiException exception) {
      refused = exception;
    }
    var problem = ApiClient.createDefaultObjectMapper().readValue(refused.getResponseBody(), Problem.class);

    var token = new LinkedHashMap<String, Object>();
    token.put("name", created.getName());
    token.put("actions", created.getActions());
    token.put("expiresAt", created.getExpiresAt());
    var kept = topic.getRetention();
    System.out.println(
        json.writeValueAsString(
            Map.of(
                "node",
                Map.of("peerId", node.getPeerId(), "maxMessageBytes", node.getLimits().get("maxMessageBytes")),
                "retention",
                Map.of(
                    "maxAgeMs", kept.getMaxAgeMs(),
                    "maxMessages", kept.getMaxMessages(),
                    "maxBytes", kept.getMaxBytes()),
                "published",
                published.getId(),
                "listed",
                listed.getItems().stream().map(Published::getId).toList(),
                "bytes",
                bytes,
                "history",
                history,
                "delivery",
                Map.of("to", sent.getTo(), "state", cancelled.getState()),
                "token",
                token,
                "refused",
                Map.of("status", refused.getCode(), "code", problem.getCode()))));
  }
}
