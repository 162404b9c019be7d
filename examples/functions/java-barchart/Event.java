import java.math.BigInteger;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** CloudEvents 1.0: what keeps an object from being an event. */
final class Event {
    private static final List<String> REQUIRED = List.of("specversion", "id", "source", "type");
    private static final List<String> OPTIONAL = List.of("subject", "time", "datacontenttype", "dataschema");
    private static final String URI_CHARACTERS = "[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=-]*";

    /** Says what is wrong, or null. Members that are null are absent, so they are taken out; but data may be null. */
    static String defect(Map<String, Object> event) {
        event.entrySet().removeIf(member -> member.getValue() == Json.NULL && !member.getKey().equals("data"));
        for (String name : REQUIRED)
            if (!event.containsKey(name)) return "the event has no " + name;
        for (var member : event.entrySet()) {
            String name = member.getKey();
            if (name.startsWith("data") && (name.equals("data") || name.equals("data_base64"))) continue;
            String wrong = attribute(name, member.getValue());
            if (wrong != null) return wrong;
        }
        if (!event.get("specversion").equals("1.0")) return "specversion " + event.get("specversion") + ", expected 1.0";
        if (!unescaped(event, "source", "").matches(URI_CHARACTERS)) return "source is no URI-reference";
        if (!unescaped(event, "dataschema", "a:").matches("[A-Za-z][A-Za-z0-9+.-]*:" + URI_CHARACTERS)) return "dataschema is no absolute URI";
        if (!timestamp(Json.text(event, "time", "2000-01-01T00:00:00Z"))) return "time is no RFC 3339 timestamp";
        Object binary = event.get("data_base64");
        if (binary != null && event.containsKey("data")) return "both data and data_base64";
        if (binary != null && !(binary instanceof String text && base64(text))) return "data_base64 is no base64";
        String type = Json.text(event, "datacontenttype", "application/json");
        if (event.containsKey("data") && !(event.get("data") instanceof String) && !type.matches("(?i)[^;/]+/([^;]*\\+)?json\\s*(;.*)?"))
            return "data is no string, but datacontenttype is " + type;
        return null;
    }

    private static String attribute(String name, Object value) {
        boolean named = REQUIRED.contains(name) || OPTIONAL.contains(name);
        if (!name.matches("[a-z0-9]+")) return "attribute name '" + name + "'";
        if (named && !(value instanceof String) || value instanceof Map || value instanceof List) return name + " is of kind " + Wire.kind(value);
        if (named && value.equals("")) return name + " is empty";
        if (value instanceof Json.Number n && (!n.integer() || new BigInteger(n.literal()).bitLength() > 31)) return name + " is no 32-bit integer";
        boolean forbidden = value instanceof String text && text.codePoints().anyMatch(c -> c < 0x20 || c >= 0x7f && c < 0xa0
                || c >= 0xd800 && c < 0xe000 || c >= 0xfdd0 && c < 0xfdf0 || (c & 0xfffe) == 0xfffe);
        return forbidden ? name + " has characters that are not allowed" : null;
    }

    /** A URI without its percent-encoded bytes, which may stand anywhere after the scheme. */
    private static String unescaped(Map<String, Object> event, String name, String otherwise) {
        return Json.text(event, name, otherwise).replaceAll("%[0-9A-Fa-f]{2}", "-");
    }

    private static boolean timestamp(String text) {
        if (!text.matches("(?i)[0-9-]{10}t[0-9:]{8}([.][0-9]{1,9})?(z|[+-][0-9]{2}:[0-9]{2})")) return false;
        try {
            // A leap second is read as the first instant of the next minute.
            OffsetDateTime.parse(text.replaceFirst("(?<=[Tt]..:..):60", ":59").toUpperCase(Locale.ROOT));
            return true;
        } catch (DateTimeException notInTheCalendar) {
            return false;
        }
    }

    static boolean base64(String text) {
        try {
            return text.length() % 4 == 0 && Base64.getEncoder().encodeToString(Base64.getDecoder().decode(text)).equals(text);
        } catch (IllegalArgumentException otherCharacters) {
            return false;
        }
    }
}
