import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON, which Java's library lacks: text to Map, List, String, Boolean, Number and NULL, and back. */
final class Json {
    /** A number keeps its literal: through a double, 1.10 and 12345678901234567890 would come out changed. */
    record Number(String literal) {
        boolean integer() {
            return literal.matches("-?[0-9]+");
        }
    }

    static final Object NULL = new Object();
    private static final int DEPTH = 128;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        var json = new Json(text);
        Object value = json.value(0);
        if (json.at < text.length()) throw json.expected("the end");
        return value;
    }

    /** An object of names and values in turn; it keeps their order, as a person reads it. */
    static Map<String, Object> of(Object... members) {
        var object = new LinkedHashMap<String, Object>();
        for (int i = 0; i < members.length; i += 2) object.put((String) members[i], members[i + 1]);
        return object;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    /** A string member of what may be an object. */
    static String text(Object object, String name, String otherwise) {
        return object instanceof Map<?, ?> members && members.get(name) instanceof String text ? text : otherwise;
    }

    static long integer(Object value) {
        return value instanceof Number n ? Long.parseLong(n.literal()) : 0;
    }

    private Object value(int depth) {
        space();
        char c = at < text.length() ? text.charAt(at) : 0;
        if (depth == DEPTH && (c == '{' || c == '[')) throw expected("at most " + DEPTH + " levels");
        Object value = switch (c) {
            case '{' -> members(depth);
            case '[' -> elements(depth);
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", NULL);
            default -> number();
        };
        space();
        return value;
    }

    private Map<String, Object> members(int depth) {
        var members = new LinkedHashMap<String, Object>();
        at++;
        space();
        if (skip('}')) return members;
        do {
            space();
            String name = string();
            space();
            need(':');
            members.put(name, value(depth + 1));
        } while (skip(','));
        need('}');
        return members;
    }

    private List<Object> elements(int depth) {
        var elements = new ArrayList<Object>();
        at++;
        space();
        if (skip(']')) return elements;
        do elements.add(value(depth + 1)); while (skip(','));
        need(']');
        return elements;
    }

    private String string() {
        need('"');
        var out = new StringBuilder();
        while (true) {
            if (at >= text.length()) throw expected("a closing quote");
            char c = text.charAt(at++);
            if (c == '"') return out.toString();
            if (c < ' ') throw expected("no control character in a string");
            if (c == '\\') c = escape();
            out.append(c);
        }
    }

    private char escape() {
        char c = at < text.length() ? text.charAt(at++) : 0;
        int known = "\"\\/bfnrt".indexOf(c);
        if (known >= 0) return "\"\\/\b\f\n\r\t".charAt(known);
        if (c != 'u' || at + 4 > text.length() || !text.substring(at, at + 4).matches("[0-9A-Fa-f]{4}")) throw expected("an escape");
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    private Number number() {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String literal = text.substring(start, at);
        if (!literal.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) throw expected("a value");
        return new Number(literal);
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw expected(word);
        at += word.length();
        return value;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private boolean skip(char c) {
        if (at >= text.length() || text.charAt(at) != c) return false;
        at++;
        return true;
    }

    private void need(char c) {
        if (!skip(c)) throw expected("'" + c + "'");
    }

    private IllegalArgumentException expected(String what) {
        return new IllegalArgumentException("expected " + what + " at character " + at);
    }

    static void write(Object value, StringBuilder out) {
        if (value instanceof String s) quote(s, out);
        else if (value instanceof Map<?, ?> members) {
            String separator = "{";
            for (var member : members.entrySet()) {
                out.append(separator);
                quote((String) member.getKey(), out);
                out.append(':');
                write(member.getValue(), out);
                separator = ",";
            }
            out.append(members.isEmpty() ? "{}" : "}");
        } else if (value instanceof List<?> elements) {
            out.append('[');
            for (int i = 0; i < elements.size(); i++) {
                if (i > 0) out.append(',');
                write(elements.get(i), out);
            }
            out.append(']');
        } else out.append(value == NULL ? "null" : value instanceof Number n ? n.literal() : value.toString());
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean paired = Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1));
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (paired) out.append(c).append(text.charAt(++i));
            else if (c < ' ' || Character.isSurrogate(c)) out.append("\\u%04x".formatted((int) c));
            else out.append(c);
        }
        out.append('"');
    }
}
