import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Decimals as text, compared by every digit. */
final class Decimals {
    private static final Pattern IS_RADIUS = Pattern.compile("([0-9]+)(?:\\.([0-9]+))?");
    private static final Pattern IS_BOUND = Pattern.compile("[0-9]+");
    private static final Pattern LEADING_ZEROS = Pattern.compile("^0+(?=[0-9])");
    private static final Pattern TRAILING_ZEROS = Pattern.compile("0+$");

    private Decimals() {}

    static boolean isAtMost(String decimal, int limit) {
        int point = decimal.indexOf('.');
        String whole = LEADING_ZEROS.matcher(point < 0 ? decimal : decimal.substring(0, point)).replaceFirst("");
        if (whole.length() > 3) {
            return false;
        }
        int value = Integer.parseInt(whole);
        boolean hasFraction = point >= 0 && decimal.chars().skip(point + 1L).anyMatch(digit -> digit != '0');
        return value < limit || (value == limit && !hasFraction);
    }

    /** A valid radius, in kilometres, as metres: the same digits with the point three places on. */
    static Optional<String> metres(String radius) {
        Matcher match = IS_RADIUS.matcher(radius);
        if (!match.matches() || !isAtMost(radius, 50)) {
            return Optional.empty();
        }
        String fraction = match.group(2) == null ? "" : TRAILING_ZEROS.matcher(match.group(2)).replaceFirst("");
        int moved = Math.min(3, fraction.length());
        String whole = match.group(1) + fraction.substring(0, moved) + "0".repeat(3 - moved);
        String rest = fraction.substring(moved);
        return Optional.of(LEADING_ZEROS.matcher(whole).replaceFirst("") + (rest.isEmpty() ? "" : "." + rest));
    }

    /** A valid bound on the number of results. */
    static OptionalInt bound(String text) {
        return IS_BOUND.matcher(text).matches() && isAtMost(text, 20)
                ? OptionalInt.of(Integer.parseInt(LEADING_ZEROS.matcher(text).replaceFirst("")))
                : OptionalInt.empty();
    }
}
