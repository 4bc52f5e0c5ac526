import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a JSON text for where the elements of its results end; the JDK has no reader of JSON. */
final class Json {
    private static final int MOST_DEPTH = 128;
    private static final Pattern SPACE = Pattern.compile("[ \\t\\r\\n]*+");
    private static final Pattern STRING =
            Pattern.compile("\"(?:[^\"\\\\\\x00-\\x1f]++|\\\\(?:[\"\\\\/bfnrt]|u[0-9a-fA-F]{4}))*+\"");
    private static final Pattern SCALAR =
            Pattern.compile("true|false|null|-?(?:0|[1-9][0-9]*+)(?:\\.[0-9]++)?(?:[eE][+-]?[0-9]++)?");

    private final String text;
    private final Matcher matcher;
    private int at;
    private List<Integer> ends = List.of();

    /** The text is no JSON object in UTF-8. */
    static final class NoObject extends Exception {
        private static final long serialVersionUID = 1;

        NoObject(String what) {
            super(what);
        }
    }

    private Json(String text) {
        this.text = text;
        this.matcher = SPACE.matcher(text);
    }

    /** Where each element of the object's results ends. The text is UTF-8, a character per byte. */
    static List<Integer> elementEnds(String text) throws NoObject {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)));
        } catch (CharacterCodingException mistake) {
            throw new NoObject("no UTF-8");
        }
        Json json = new Json(text);
        json.take(SPACE);
        json.object(0);
        json.take(SPACE);
        if (json.at < text.length()) {
            throw new NoObject("something follows the object");
        }
        return json.ends;
    }

    private void object(int depth) throws NoObject {
        expect('{');
        if (takeEnd('}')) {
            return;
        }
        do {
            take(SPACE);
            String key = take(STRING);
            take(SPACE);
            expect(':');
            List<Integer> found = value(depth + 1);
            if (depth == 0 && unescape(key).equals("results")) {
                ends = found;
            }
        } while (takeComma('}'));
    }

    /** Returns where the elements of an array end. */
    private List<Integer> array(int depth) throws NoObject {
        expect('[');
        List<Integer> found = new ArrayList<>();
        if (takeEnd(']')) {
            return found;
        }
        do {
            value(depth + 1);
            found.add(at);
        } while (takeComma(']'));
        return found;
    }

    private List<Integer> value(int depth) throws NoObject {
        if (depth > MOST_DEPTH) {
            throw new NoObject("nested too deeply");
        }
        take(SPACE);
        switch (at < text.length() ? text.charAt(at) : ' ') {
            case '{' -> object(depth);
            case '[' -> {
                return array(depth);
            }
            case '"' -> take(STRING);
            default -> take(SCALAR);
        }
        return List.of();
    }

    private boolean takeEnd(char end) throws NoObject {
        take(SPACE);
        boolean isThere = text.startsWith(String.valueOf(end), at);
        at += isThere ? 1 : 0;
        return isThere;
    }

    /** Takes a comma, or the end. */
    private boolean takeComma(char end) throws NoObject {
        if (takeEnd(end)) {
            return false;
        }
        expect(',');
        return true;
    }

    private void expect(char character) throws NoObject {
        if (!text.startsWith(String.valueOf(character), at)) {
            throw new NoObject(character + " expected at " + at);
        }
        at += 1;
    }

    private String take(Pattern pattern) throws NoObject {
        matcher.usePattern(pattern).region(at, text.length());
        if (!matcher.lookingAt()) {
            throw new NoObject("no value at " + at);
        }
        at = matcher.end();
        return matcher.group();
    }

    private static String unescape(String string) {
        String inner = string.substring(1, string.length() - 1);
        return Pattern.compile("\\\\u([0-9a-fA-F]{4})")
                .matcher(inner)
                .replaceAll(match -> Matcher.quoteReplacement(
                        String.valueOf((char) Integer.parseInt(match.group(1), 16))));
    }
}
