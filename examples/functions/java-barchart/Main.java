import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Draws the numbers of an event as a bar chart in SVG. Stream mode, encoding json, Java's standard library only. */
final class Main {
    private static final int REMEMBERED = 1024;

    /** What is known of a call. */
    private static final class Call {
        Object context;
        int results;
        boolean answered, ended, over, cancelled;
    }

    /** The calls that are open and the last ones that are over; and the numbers of the latter, oldest first. */
    private final Map<Long, Call> calls = new LinkedHashMap<>();
    private final List<Long> over = new ArrayList<>();
    private final Wire wire = new Wire();

    public static void main(String[] arguments) {
        try {
            System.exit(new Main().serve());
        } catch (Wire.Malformed malformed) { // A stream that lost its place can't be taken up again.
            System.err.println("malformed input: " + malformed.getMessage());
            System.exit(65);
        } catch (IOException readerIsGone) { // Nobody reads our results any more, which is no reason to complain.
            System.exit(0);
        }
    }

    /** The whole life of the process; the value is its exit status. */
    private int serve() throws IOException {
        // Our hello answers our input's, and a bad status there becomes ours: so the last stage's speaks for a whole pipeline.
        Map<String, Object> theirs = wire.receiveHello();
        Object version = theirs == null ? "" : theirs.getOrDefault("fsi", "");
        Object status = theirs == null ? status("UNAVAILABLE", "stdin ended before a hello")
                : !version.toString().startsWith("1.") ? status("FAILED_PRECONDITION", "expected fsi 1.x, came " + version)
                : theirs.getOrDefault("status", Json.of());
        wire.send(Json.of("call", 0, "hello", Json.of("fsi", "1.0", "producer", "java-barchart/1.0", "status", status)));
        if (!Json.text(status, "code", "OK").equals("OK")) return wire.cut() ? 65 : 1;

        for (Map<String, Object> message; (message = wire.receive()) != null; ) take(message);

        // EOF on stdin: a call whose input was complete has its end already, the others will never be complete.
        for (var entry : calls.entrySet())
            if (!entry.getValue().ended && !entry.getValue().over)
                answer(entry.getKey(), entry.getValue(), Json.of("end", status("ABORTED", "stdin ended within the call")));
        return wire.cut() ? 65 : 0;
    }

    /** One message. Its fields apply in the order of the specification. */
    private void take(Map<String, Object> m) throws IOException {
        Object event = m.get("event"), chunk = m.get("chunk"), end = m.get("end"), cancel = m.get("cancel");
        boolean onlyCancel = event == null && chunk == null && end == null;
        if (onlyCancel && cancel == null) return; // nothing that we know
        long id = Json.integer(m.get("call"));
        boolean unseen = !calls.containsKey(id);
        Call call = calls.computeIfAbsent(id, number -> new Call());
        if (unseen) call.context = m.get("context");
        if (call.cancelled) return;
        if (call.over && !onlyCancel) throw new Wire.Malformed("call " + id + " goes on after its input has ended");
        if (chunk != null && !call.ended) throw new Wire.Malformed("chunk on call " + id + " without an event");

        var reply = new LinkedHashMap<String, Object>(); // a unary call is one message, and one write, each way
        if (event != null && !call.ended) respond(call, Json.object(event), m.get("more") == Boolean.TRUE, reply);
        // An end that is not OK passes through as it came: so errors cross a pipeline. Exactly one end a call.
        if (end != null && !call.ended) reply.putIfAbsent("end", end);
        if (!reply.isEmpty()) answer(id, call, reply);
        if (cancel != null) {
            // Copied on at once, whatever we owe: a busy stage behind us may be at work on this call.
            answer(id, call, Json.of("cancel", cancel));
            if (!call.ended && !(unseen && onlyCancel)) answer(id, call, Json.of("end", status("CANCELLED", Json.text(cancel, "reason", ""))));
            call.cancelled = true;
        }
        // Late messages of a call are told from a new call for a while, not for ever: memory is finite.
        if ((end != null || cancel != null) && !call.over) {
            call.over = true;
            over.add(id);
            if (over.size() > REMEMBERED) calls.remove(over.remove(0));
        }
    }

    /** What the job makes of an event: fields for our message. */
    private void respond(Call call, Map<String, Object> event, boolean more, Map<String, Object> reply) {
        String wrong = more ? "data in pieces: the feature chunks is not declared" : Event.defect(event);
        if (wrong != null) {
            reply.put("end", status("INVALID_ARGUMENT", wrong));
            return;
        }
        try {
            String svg = Chart.draw(event.get("data"));
            // An id that is the same in every attempt lets whoever reads the result twice drop one.
            String prefix = Json.text(call.context, "invocationId", Json.text(event, "id", ""));
            reply.put("event", Json.of("specversion", "1.0", "id", prefix + "/" + ++call.results, "source", "/java-barchart",
                    "type", "com.example.chart.drawn", "causationid", event.get("id"), "datacontenttype", "image/svg+xml", "data", svg));
        } catch (IllegalArgumentException refused) {
            reply.put("end", status("INVALID_ARGUMENT", refused.getMessage()));
        } catch (RuntimeException bug) {
            bug.printStackTrace();
            reply.put("end", status("INTERNAL", bug.toString()));
        }
    }

    /** Writes about a call. The context goes onto our first message for it, as it came. */
    private void answer(long id, Call call, Map<String, Object> fields) throws IOException {
        var message = new LinkedHashMap<String, Object>();
        message.put("call", id);
        if (!call.answered && call.context != null) message.put("context", call.context);
        message.putAll(fields);
        call.answered = true;
        call.ended |= fields.containsKey("end");
        wire.send(message);
    }

    private static Map<String, Object> status(String code, String message) {
        // A message is at most 4,096 bytes, whatever it quotes.
        String cut = message.codePoints().limit(1000).collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append).toString();
        return Json.of("code", code, "message", cut);
    }
}
