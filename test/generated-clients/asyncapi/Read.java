import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.File;
import java.time.OffsetDateTime;
import peergate.Stream;

/** Reads each example into its generated type, those of the gateway as any frame, and writes them back with the same values. */
class Read {
  public static void main(String[] arguments) throws Exception {
    var mapper = new ObjectMapper().registerModule(new JavaTimeModule()).disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
    var count = 0;
    for (var example : mapper.readTree(new File(arguments[0]))) {
      var title = example.get("title").asText();
      var payload = example.get("payload");
      var type = Class.forName("peergate." + title);
      Object frame = title.startsWith("Server") ? mapper.treeToValue(payload, Stream.class) : mapper.treeToValue(payload, type);
      if (!type.isInstance(frame)) throw new AssertionError(title + " was read as " + frame.getClass());
      keeps(title, payload, mapper.valueToTree(frame));
      count++;
    }
    System.out.println(count);
  }

  private static void keeps(String path, JsonNode given, JsonNode kept) {
    for (var field : given.properties()) keeps(path + "." + field.getKey(), field.getValue(), kept.path(field.getKey()));
    for (var index = 0; index < given.size() && given.isArray(); index++) keeps(path + "." + index, given.get(index), kept.path(index));
    if (given.isValueNode() && !given.equals(kept) && !isSameTime(given, kept)) throw new AssertionError(path + " became " + kept);
  }

  private static boolean isSameTime(JsonNode given, JsonNode kept) {
    if (!given.asText().matches("\\d{4}-\\d\\d-\\d\\dT.*Z")) return given.isNumber() && given.asDouble() == kept.asDouble();
    return OffsetDateTime.parse(given.asText()).isEqual(OffsetDateTime.parse(kept.asText()));
  }
}
