import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** The Places client: every question is answered in bounded time, by Places or in its own shape. */
final class Places {
    static final String NO_RESULTS =
            "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}";

    private static final String PATH = "/maps/api/place/nearbysearch/json";
    private static final Duration DEADLINE = Duration.ofSeconds(5);
    private static final int TRIES = 3;
    private static final int PAUSE_MILLIS = 200;
    private static final int MAX_IN_FLIGHT = 256;
    private static final int MAX_BODY = 1 << 20;
    private static final int MAX_QUERY = 4096;

    private final String url;
    private final String key;
    private final HttpClient client;
    private final ScheduledExecutorService deadlines = Executors.newSingleThreadScheduledExecutor();
    private final Semaphore slots = new Semaphore(MAX_IN_FLIGHT);

    /** A JSON object that Places sent, and where each element of its results ends. */
    record Body(String text, List<Integer> ends) {
        static Body parse(String sent) throws Json.NoObject {
            String text = sent.replaceAll("\n+", "\n").replaceAll("^\n|\n\\z", "");
            return new Body(text, Json.elementEnds(text));
        }

        /** The body without the results past the bound; nothing is written anew. */
        String cut(int bound) {
            if (ends.size() <= bound) {
                return text;
            }
            return text.substring(0, ends.get(bound - 1)) + text.substring(ends.get(ends.size() - 1));
        }
    }

    /** One try, and whether another one would be of no use. */
    private record Answer(Body body, boolean isFinal) {}

    /** Questions are asked by whatever thread calls; {@code executor} runs what HTTP does besides. */
    Places(String url, String key, Executor executor) {
        this.url = url.replaceAll("/+$", "") + PATH;
        this.key = key;
        client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .executor(executor)
                .build();
    }

    /** What is around a place, or why that is not known. */
    Body search(Update.Place place, String radiusMetres) throws InterruptedException {
        String location = withoutPlus(place.latitude()) + "," + withoutPlus(place.longitude());
        String query = "location=" + location + "&radius=" + radiusMetres;
        if (query.length() > MAX_QUERY) {
            return refusal("INVALID_REQUEST", "The location or the radius has more digits than Places takes.");
        }
        long until = System.nanoTime() + DEADLINE.toNanos();
        Body latest = refusal("UNKNOWN_ERROR", "Places did not answer within " + DEADLINE.toSeconds() + " s.");
        for (int earlier = 0; earlier < TRIES; earlier++) {
            Thread.sleep((long) (earlier * PAUSE_MILLIS * ThreadLocalRandom.current().nextDouble()));
            if (System.nanoTime() >= until || !slots.tryAcquire(left(until).toNanos(), TimeUnit.NANOSECONDS)) {
                break;
            }
            try {
                Answer answer = ask(query, until);
                latest = answer.body;
                if (answer.isFinal) {
                    break;
                }
            } finally {
                slots.release();
            }
        }
        return latest;
    }

    private Answer ask(String query, long until) throws InterruptedException {
        URI uri = URI.create(url + "?" + query + "&key=" + URLEncoder.encode(key, ISO_8859_1));
        HttpRequest request = HttpRequest.newBuilder(uri).timeout(left(until)).build();
        int status;
        byte[] bytes;
        try {
            HttpResponse<InputStream> response = client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            status = response.statusCode();
            bytes = read(response.body(), until);
        } catch (IOException failure) {
            // The text of a failure may have the URL, and so the key.
            String what = "Places could not be reached: " + failure.getClass().getSimpleName() + ".";
            return new Answer(refusal("UNKNOWN_ERROR", what), false);
        }
        if (bytes.length > MAX_BODY) {
            return new Answer(refusal("UNKNOWN_ERROR", "The answer of Places was too large."), true);
        }
        String sent = new String(bytes, ISO_8859_1);
        boolean isFinal = status != 429 && status < 500;
        try {
            return new Answer(Body.parse(key.isEmpty() ? sent : sent.replace(key, "[key]")), isFinal);
        } catch (Json.NoObject none) {
            String what = "Places answered with HTTP status " + status + " and no JSON object.";
            return new Answer(refusal(meaningOf(status), what), isFinal);
        }
    }

    /** Reads a body as far as is allowed. The client's own timeout is over once there are headers. */
    private byte[] read(InputStream body, long until) throws IOException {
        ScheduledFuture<?> end = deadlines.schedule(() -> close(body), left(until).toNanos(), TimeUnit.NANOSECONDS);
        try (body) {
            return body.readNBytes(MAX_BODY + 1);
        } finally {
            end.cancel(false);
        }
    }

    private static void close(InputStream body) {
        try {
            body.close();
        } catch (IOException failure) {
            // Whoever reads it is told.
        }
    }

    private static Duration left(long until) {
        return Duration.ofNanos(Math.max(1, until - System.nanoTime()));
    }

    private static String meaningOf(int status) {
        return switch (status) {
            case 400 -> "INVALID_REQUEST";
            case 401, 403 -> "REQUEST_DENIED";
            case 429 -> "OVER_QUERY_LIMIT";
            default -> "UNKNOWN_ERROR";
        };
    }

    private static String withoutPlus(String degrees) {
        return degrees.startsWith("+") ? degrees.substring(1) : degrees;
    }

    /** A body of the classic shape for a question that Places did not answer. */
    private static Body refusal(String status, String message) {
        String text = "{\n   \"error_message\" : \"" + message
                + "\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"" + status + "\"\n}";
        return new Body(text, List.of());
    }
}
