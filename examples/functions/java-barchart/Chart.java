import java.util.LinkedHashMap;
import java.util.Map;

/** The job: knows nothing of FSI. */
final class Chart {
    private static final int BAR = 20, LABEL = 120, WIDTH = 300;

    /** One bar for each number in an object: in the first member that is an object of numbers itself, else in the whole. */
    static String draw(Object data) {
        Map<String, Double> numbers = Map.of();
        if (data instanceof Map<?, ?> outer)
            for (Object inner : outer.values())
                if (numbers.isEmpty()) numbers = numbers(inner);
        if (numbers.isEmpty()) numbers = numbers(data);
        if (numbers.isEmpty()) throw new IllegalArgumentException("expected a JSON object with numbers as data");
        double most = Math.max(1e-9, numbers.values().stream().mapToDouble(Math::abs).max().orElse(0));
        var svg = new StringBuilder("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">"
                .formatted(LABEL + WIDTH + 60, numbers.size() * BAR));
        int y = 0;
        for (var entry : numbers.entrySet()) {
            long length = Math.round(Math.abs(entry.getValue()) / most * WIDTH);
            svg.append("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>".formatted(LABEL - 6, y + 14, escape(entry.getKey())));
            svg.append("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#47a\"/>".formatted(LABEL, y + 3, length, BAR - 6));
            svg.append("<text x=\"%d\" y=\"%d\">%s</text>".formatted(LABEL + length + 6, y + 14, number(entry.getValue())));
            y += BAR;
        }
        return svg.append("</svg>").toString();
    }

    private static Map<String, Double> numbers(Object value) {
        var numbers = new LinkedHashMap<String, Double>();
        if (value instanceof Map<?, ?> members)
            members.forEach((name, member) -> {
                if (member instanceof Json.Number n) numbers.put(name.toString(), Double.valueOf(n.literal()));
            });
        return numbers;
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15 ? Long.toString((long) value) : Double.toString(value);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replaceAll("[\\p{Cntrl}\\p{Cs}\uFFFE\uFFFF]", "?");
    }
}
