import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;

/** A stream as lines, with a bound on what is kept of one. */
final class LineInput {
    private static final int KEPT_OF_TOO_LONG = 64;
    private static final int BUFFER_BYTES = 8 << 10;

    private final InputStream input;
    private final int limit;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private String chunk = "";
    private int start;
    private StringBuilder partial = new StringBuilder();
    private boolean discarding;

    /** A line as it was read, without LF; and whether it has ended with one, or was too long. */
    record Line(String text, boolean ended, boolean tooLong) {}

    /** Lines of at most so many bytes, LF not counted. */
    LineInput(InputStream input, int limit) {
        this.input = input;
        this.limit = limit;
    }

    /** The next line, or null at the end. */
    Line next() throws IOException {
        Line line = buffered();
        while (line == null && fill()) {
            line = buffered();
        }
        return line;
    }

    /**
     * The next line of what was read, or null if more has to be read first. One that is too long is told of as
     * soon as that is known.
     */
    Line buffered() {
        while (start < chunk.length()) {
            int end = chunk.indexOf('\n', start);
            boolean ended = end >= 0;
            int from = start;
            int to = ended ? end : chunk.length();
            start = to + 1;
            if (discarding) {
                discarding = !ended;
            } else if (partial.length() + to - from > limit) {
                discarding = !ended;
                partial.append(chunk, from, Math.min(to, from + KEPT_OF_TOO_LONG)).setLength(KEPT_OF_TOO_LONG);
                return new Line(takePartial(), false, true);
            } else if (ended && partial.isEmpty()) {
                return new Line(chunk.substring(from, to), true, false);
            } else {
                partial.append(chunk, from, to);
                if (ended) {
                    return new Line(takePartial(), true, false);
                }
            }
        }
        return null;
    }

    /** Reads more; false at the end. */
    boolean fill() throws IOException {
        int count = input.read(buffer);
        chunk = count < 0 ? "" : new String(buffer, 0, count, ISO_8859_1);
        start = 0;
        return count >= 0;
    }

    /** What has begun and not ended, or null. */
    Line rest() {
        return partial.isEmpty() ? null : new Line(takePartial(), false, false);
    }

    private String takePartial() {
        String text = partial.toString();
        partial = new StringBuilder();
        return text;
    }
}
