import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** One JSON object a line, in and out, and what makes a line malformed. */
final class Wire {
    /** The stream has lost its place. */
    @SuppressWarnings("serial")
    static final class Malformed extends RuntimeException {
        Malformed(String message) {
            super(message);
        }
    }

    private static final Map<String, Object> STATUS = Map.of("code", "string", "message", "string", "details", Map.of("*", "string"));
    private static final Map<String, Object> CONTEXT = Map.of("invocationId", "string", "attempt", "count", "deadlineMs", "integer",
            "traceparent", "string", "tracestate", "string", "baggage", "string", "extra", Map.of("*", "string"));
    /** The types of the members; an event is checked apart, because an invalid one costs its call and not the stream. */
    private static final Map<String, Object> MESSAGE = Map.of("call", "call", "context", CONTEXT, "event", "object", "chunk", "base64",
            "more", "boolean", "end", STATUS, "cancel", Map.of("reason", "string"),
            "hello", Map.of("fsi", "string", "producer", "string", "status", STATUS));
    private static final List<String> CODES = List.of("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
            "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
            "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED");
    private static final List<String> FIELDS = List.of("context", "event", "chunk", "more", "end", "cancel", "hello");

    private final InputStream in = new BufferedInputStream(new FileInputStream(FileDescriptor.in), 65536);
    private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private final int limit;
    private boolean cut;

    /**
     * stdout belongs to the protocol: what the job prints goes to the log from here on. Java can't move descriptors, so a child
     * process that inherits stdout could still reach the stream: start children with ProcessBuilder.Redirect.DISCARD.
     */
    Wire() {
        System.setOut(System.err);
        System.setIn(InputStream.nullInputStream());
        String bytes = System.getenv("FAAS_MAX_MESSAGE_BYTES");
        limit = bytes == null ? 16 << 20 : Integer.parseInt(bytes);
    }

    /** Did stdin end within a message? */
    boolean cut() {
        return cut;
    }

    /** A message is one write, so nobody waits for a buffer to fill. */
    void send(Map<String, Object> message) throws IOException {
        var line = new StringBuilder();
        Json.write(message, line);
        out.write(line.append('\n').toString().getBytes(StandardCharsets.UTF_8));
    }

    /** The first message, or null at EOF. */
    Map<String, Object> receiveHello() throws IOException {
        Map<String, Object> m = message();
        if (m == null) return null;
        if (!(m.get("hello") instanceof Map<?, ?> hello) || fields(m) != 1 || Json.integer(m.get("call")) != 0)
            throw new Malformed("expected a hello, alone and on call 0");
        return Json.object(hello);
    }

    /** A message after the first, or null at EOF. */
    Map<String, Object> receive() throws IOException {
        Map<String, Object> m = message();
        if (m == null) return null;
        if (m.containsKey("hello")) throw new Malformed("a second hello");
        if (Json.integer(m.get("call")) == 0 && fields(m) > 0) throw new Malformed("call 0 carries nothing but the first hello");
        return m;
    }

    private static long fields(Map<String, Object> m) {
        return FIELDS.stream().filter(m::containsKey).count();
    }

    private Map<String, Object> message() throws IOException {
        while (true) {
            byte[] line = line();
            if (line == null) return null;
            boolean last = eof;
            try {
                String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(line)).toString();
                if (text.matches("[ \t\r]*")) continue;
                if (!(Json.parse(text) instanceof Map<?, ?> m)) throw new IllegalArgumentException("expected a JSON object");
                check(m, MESSAGE, "message");
                known(m.get("end"));
                if (m.get("hello") instanceof Map<?, ?> hello) known(hello.get("status"));
                return Json.object(m);
            } catch (CharacterCodingException | IllegalArgumentException e) {
                String quoted = new String(line, 0, Math.min(line.length, 80), StandardCharsets.ISO_8859_1).replaceAll("[^ -~]", "?");
                String why = (e instanceof CharacterCodingException ? "expected UTF-8" : e.getMessage()) + ", came " + quoted;
                if (!last) throw new Malformed(why);
                System.err.println("stdin ended within a message: " + why);
                cut = true;
                return null;
            }
        }
    }

    /** A code that is none of gRPC's is read as UNKNOWN. */
    private static void known(Object status) {
        if (status != null && !CODES.contains(Json.text(status, "code", "OK"))) Json.object(status).put("code", "UNKNOWN");
    }

    private boolean eof;

    /** Bytes up to a line feed or EOF; null at EOF. */
    private byte[] line() throws IOException {
        var line = new ByteArrayOutputStream();
        for (int b; ; line.write(b)) {
            try {
                b = in.read();
            } catch (IOException e) {
                throw new Malformed("stdin: " + e.getMessage());
            }
            if (b == '\n') return line.toByteArray();
            eof = b < 0;
            if (eof) return line.size() == 0 ? null : line.toByteArray();
            if (line.size() >= limit) throw new Malformed("a message of more than " + limit + " bytes");
        }
    }

    private static void check(Object value, Object shape, String name) {
        if (shape instanceof Map<?, ?> members) {
            if (!(value instanceof Map<?, ?> object)) throw new Malformed("expected " + name + " as object, came " + kind(value));
            object.forEach((member, inner) -> {
                Object innerShape = members.containsKey(member) ? members.get(member) : members.get("*");
                if (innerShape != null) check(inner, innerShape, name + "." + member);
            });
            return;
        }
        boolean fits = switch ((String) shape) {
            case "call" -> value instanceof Json.Number n && n.literal().matches("[0-9]{1,16}") && Long.parseLong(n.literal()) < 1L << 52;
            case "count" -> value instanceof Json.Number n && n.literal().matches("[0-9]{1,10}") && Long.parseLong(n.literal()) < 1L << 32;
            case "base64" -> value instanceof String text && Event.base64(text);
            default -> kind(value).equals(shape);
        };
        if (!fits) throw new Malformed("expected " + name + " as " + shape + ", came " + kind(value));
    }

    static String kind(Object value) {
        if (value instanceof Json.Number n) return n.integer() ? "integer" : "number";
        return value instanceof Map ? "object" : value instanceof List ? "array" : value instanceof String ? "string"
                : value instanceof Boolean ? "boolean" : "null";
    }
}
