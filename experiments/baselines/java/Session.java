import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.StringTokenizer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;

/** One client connection: its commands, and the replies to them in their order. */
final class Session {
    private static final int MAX_LINE = 64 << 10;
    private static final String WHITE_SPACE = " \t\n\r\f\u000b";
    /** Commands whose replies wait, at most. */
    private static final int PIPELINED = 64;

    /** What all sessions of a server share. */
    record Service(String name, Links links, Places places, Log log, Executor executor) {}

    private final Service service;
    private final Socket socket;
    private final String who;
    private final OutputStream output;
    private final Deque<CompletableFuture<String>> replies = new ArrayDeque<>();
    private IOException failure;

    Session(Service service, Socket socket, String who) throws IOException {
        this.service = service;
        this.socket = socket;
        this.who = who;
        this.output = socket.getOutputStream();
    }

    /** Runs the connection from its first byte to its last. */
    void run() {
        service.log.notice(who, "connected from " + socket.getRemoteSocketAddress().toString().substring(1));
        String reason = "client";
        try (socket) {
            readCommands(socket.getInputStream());
            waitForReplies(1);
        } catch (IOException | InterruptedException end) {
            reason = "error";
        }
        service.log.notice(who, "closed: " + reason);
    }

    private void readCommands(InputStream input) throws IOException, InterruptedException {
        LineInput lines = new LineInput(input, MAX_LINE);
        while (lines.fill()) {
            for (LineInput.Line line = lines.buffered(); line != null; line = lines.buffered()) {
                take(line);
            }
            // All that was read is answered with one write.
            waitForReplies(PIPELINED);
        }
        LineInput.Line rest = lines.rest();
        if (rest != null) {
            take(rest);
        }
    }

    private void take(LineInput.Line line) throws IOException, InterruptedException {
        service.log.read(who, line.text());
        CompletableFuture<String> reply = answer(line);
        int waiting;
        synchronized (this) {
            replies.add(reply);
            waiting = replies.size();
        }
        if (!reply.isDone()) {
            reply.whenComplete((text, error) -> flush());
        }
        if (waiting >= PIPELINED) {
            waitForReplies(PIPELINED);
        }
    }

    private CompletableFuture<String> answer(LineInput.Line line) {
        StringTokenizer words = new StringTokenizer(line.tooLong() ? "" : line.text(), WHITE_SPACE);
        String command = words.countTokens() == 4 ? words.nextToken() : "";
        if (command.equals("IAMAT")) {
            Optional<Update> update = Update.iamat(
                    service.name, Instant.now(), words.nextToken(), words.nextToken(), words.nextToken());
            if (update.isPresent()) {
                service.links.learn(update.get());
                return CompletableFuture.completedFuture(update.get().line() + "\n");
            }
        } else if (command.equals("WHATSAT")) {
            Update update = service.links.known(words.nextToken());
            Optional<String> radius = Decimals.metres(words.nextToken());
            OptionalInt bound = Decimals.bound(words.nextToken());
            if (update != null && radius.isPresent() && bound.isPresent()) {
                return lookAround(update, radius.get(), bound.getAsInt());
            }
        }
        // CR LF ends a line, CR alone does not.
        boolean hasCr = line.ended() && line.text().endsWith("\r");
        String echo = hasCr ? line.text().substring(0, line.text().length() - 1) : line.text();
        return CompletableFuture.completedFuture("? " + echo + "\n");
    }

    private CompletableFuture<String> lookAround(Update update, String radius, int bound) {
        if (bound == 0) {
            return CompletableFuture.completedFuture(update.line() + "\n" + Places.NO_RESULTS + "\n\n");
        }
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        String body = service.places.search(update.place(), radius).cut(bound);
                        return update.line() + "\n" + body + "\n\n";
                    } catch (InterruptedException stopped) {
                        throw new CompletionException(stopped);
                    }
                },
                service.executor);
    }

    /** Waits until there are fewer replies than that to be sent. */
    private synchronized void waitForReplies(int room) throws IOException, InterruptedException {
        flush();
        while (replies.size() >= room && failure == null) {
            wait();
        }
        if (failure != null) {
            throw failure;
        }
    }

    /**
     * Writes the replies that are ready and whose turn has come, at once. A virtual thread that waits for the
     * socket in here keeps no other thread busy: monitors no longer pin it, from Java 24 on.
     */
    private synchronized void flush() {
        StringBuilder ready = new StringBuilder();
        while (!replies.isEmpty() && replies.peek().isDone()) {
            String reply = replies.poll().join();
            service.log.reply(who, reply);
            ready.append(reply);
        }
        try {
            if (!ready.isEmpty()) {
                output.write(ready.toString().getBytes(ISO_8859_1));
            }
        } catch (IOException broken) {
            failure = broken;
        }
        notifyAll();
    }
}
