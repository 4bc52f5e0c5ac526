import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An AT line and what stands in it. Updates are ordered by which wins.
 *
 * <p>Bytes are strings in Latin-1, a character for each, which Java keeps as bytes. Times are Instants: as
 * nanoseconds a stamp of twelve digits does not fit into a long.
 */
record Update(String line, String origin, String id, Place place, Instant stamp, Instant receipt)
        implements Comparable<Update> {

    private static final String STAMP = "([0-9]{1,12})(?:\\.([0-9]+))?";
    private static final Pattern IS_STAMP = Pattern.compile(STAMP);
    private static final Pattern IS_AT = Pattern.compile(
            "AT ([A-Za-z0-9._-]{1,63}) ([+-])([0-9]{1,12})\\.([0-9]{9}) ([^ \\t\\n\\r\\f\\x0b]+) ([-+.0-9]+) " + STAMP);
    private static final Comparator<Update> WINS = Comparator.comparing(Update::stamp)
            .thenComparing(Update::receipt)
            .thenComparing(Update::origin)
            .thenComparing(Update::line);

    /** A location as it was given, by its two parts. */
    record Place(String latitude, String longitude) {
        private static final Pattern IS_PLACE =
                Pattern.compile("([+-][0-9]{1,2}(?:\\.[0-9]+)?)([+-][0-9]{1,3}(?:\\.[0-9]+)?)");

        static Optional<Place> parse(String text) {
            return Optional.of(IS_PLACE.matcher(text))
                    .filter(Matcher::matches)
                    .map(match -> new Place(match.group(1), match.group(2)))
                    .filter(place -> Decimals.isAtMost(place.latitude.substring(1), 90))
                    .filter(place -> Decimals.isAtMost(place.longitude.substring(1), 180));
        }
    }

    /** The update that an IAMAT makes, if its operands are valid. */
    static Optional<Update> iamat(String origin, Instant receipt, String id, String location, String time) {
        Matcher match = IS_STAMP.matcher(time);
        if (!match.matches()) {
            return Optional.empty();
        }
        Instant stamp = instant(match.group(1), match.group(2));
        return Place.parse(location).map(place -> {
            String difference = format(Duration.between(stamp, receipt));
            String line = String.join(" ", "AT", origin, difference, id, location, time);
            return new Update(line, origin, id, place, stamp, receipt);
        });
    }

    /** The update that a neighbour's line is, if it is as its origin must have written it. */
    static Optional<Update> at(String line) {
        Matcher match = IS_AT.matcher(line);
        if (!match.matches()) {
            return Optional.empty();
        }
        Instant stamp = instant(match.group(7), match.group(8));
        Duration span = Duration.ofSeconds(Long.parseLong(match.group(3)), Long.parseLong(match.group(4)));
        Instant receipt = match.group(2).equals("-") ? stamp.minus(span) : stamp.plus(span);
        if (receipt.isBefore(Instant.EPOCH)) {
            return Optional.empty();
        }
        return Place.parse(match.group(6))
                .map(place -> new Update(line, match.group(1), match.group(5), place, stamp, receipt));
    }

    /** Whether this wins over another update of the same client, or over none. */
    boolean wins(Update known) {
        return known == null || compareTo(known) > 0;
    }

    @Override
    public int compareTo(Update other) {
        return WINS.compare(this, other);
    }

    private static Instant instant(String seconds, String fraction) {
        String nanos = fraction == null ? "" : fraction.substring(0, Math.min(9, fraction.length()));
        return Instant.ofEpochSecond(Long.parseLong(seconds), Long.parseLong(nanos + "0".repeat(9 - nanos.length())));
    }

    private static String format(Duration difference) {
        Duration span = difference.abs();
        String nanos = Integer.toString(1_000_000_000 + span.getNano()).substring(1);
        return (difference.isNegative() ? "-" : "+") + span.getSeconds() + "." + nanos;
    }
}
