import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Links to neighbours, and the flood over them (PROTOCOL.md, Between servers). */
final class Links {
    private static final int MAX_LINE = (64 << 10) + 256;
    private static final int MAX_HELLO = 1024;
    private static final int HANDSHAKE_MILLIS = 1000;
    private static final int REDIAL_MILLIS = 200;
    private static final int LONGEST_BACK_OFF_MILLIS = 30_000;
    private static final int KEEP_ALIVE_MILLIS = 1000;
    private static final int SILENCE_MILLIS = 5000;
    private static final int FIRST_LINK_MILLIS = 3000;
    private static final int CATCH_UP_MILLIS = 10_000;
    private static final int BACKLOG = 64;
    /** Lines that are put into one write, of what is live and of what brings a neighbour up to date. */
    private static final int LIVE_BATCH = 256;
    private static final int CATCH_UP_BATCH = 64;
    private static final Pattern IS_HELLO = Pattern.compile(
            "_*HELLO_+herd/1_+([A-Za-z0-9.\\x5f-]{1,63})(_.*)?".replace("_", "[ \\t\\r\\f\\x0b]"), Pattern.DOTALL);

    private final String name;
    private final InetSocketAddress address;
    private final Log log;
    private final Executor executor;
    private final List<Neighbour> neighbours;
    /** Guards what is known and what waits for neighbours, for a few lines at a time. */
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Update> known = new HashMap<>();

    private static final class Neighbour {
        final String name;
        final InetSocketAddress address;
        /** Held by the connection that runs the link. */
        final ReentrantLock turn = new ReentrantLock();
        /** The newest connection that wants to. */
        volatile Socket connection;
        /** The link while it is up; nothing is kept otherwise. */
        Link link;
        final CountDownLatch linked = new CountDownLatch(1);
        final CountDownLatch caughtUp = new CountDownLatch(1);

        Neighbour(String name, InetSocketAddress address) {
            this.name = name;
            this.address = address;
        }
    }

    /** What a neighbour is yet to be told. */
    private final class Link {
        final Socket socket;
        final Map<String, Update> waiting = new LinkedHashMap<>();
        /** Clients that it has yet to be told of, from the end. */
        final List<String> rest = new ArrayList<>(known.keySet());
        final Condition work = lock.newCondition();
        boolean saidDone;
        boolean ended;

        Link(Socket socket) {
            this.socket = socket;
        }
    }

    /** Somebody is there who does not want this link, or is not who was expected. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String reason) {
            super(reason);
        }
    }

    Links(Herd herd, String name, Log log, Executor executor) {
        this.name = name;
        this.log = log;
        this.executor = executor;
        address = Herd.address(herd.servers().get(name).peers());
        neighbours = herd.neighbours(name).stream()
                .map(other -> new Neighbour(other, Herd.address(herd.servers().get(other).peers())))
                .toList();
    }

    /** What is known of a client, or null. */
    Update known(String id) {
        lock.lock();
        try {
            return known.get(id);
        } finally {
            lock.unlock();
        }
    }

    /** Takes in an update of a client's. */
    void learn(Update update) {
        learn(update, null);
    }

    /** Takes in an update. One that does not win goes nowhere: that stops the flood. */
    private void learn(Update update, Neighbour sender) {
        lock.lock();
        try {
            if (sender != null && sender.link != null) {
                Update same = sender.link.waiting.get(update.id());
                if (same != null && !same.wins(update)) {
                    sender.link.waiting.remove(update.id());
                }
            }
            if (!update.wins(known.get(update.id()))) {
                return;
            }
            known.put(update.id(), update);
            for (Neighbour neighbour : neighbours) {
                if (neighbour.link != null && neighbour != sender) {
                    neighbour.link.waiting.put(update.id(), update);
                    neighbour.link.work.signal();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** Listens and dials; returns once it listens. */
    void start() throws IOException {
        ServerSocket listener = new ServerSocket(address.getPort(), BACKLOG, address.getAddress());
        executor.execute(() -> Server.acceptAll(listener, executor, this::accept));
        for (Neighbour neighbour : neighbours) {
            if (name.compareTo(neighbour.name) < 0) {
                executor.execute(() -> keepDialling(neighbour));
            }
        }
    }

    /**
     * Waits until the neighbours that are there have said all that they know. A server that has just started has
     * forgotten everything, and would answer from that.
     */
    void catchUp() throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CATCH_UP_MILLIS);
        for (Neighbour neighbour : neighbours) {
            if (isListening(neighbour.address)
                    && neighbour.linked.await(FIRST_LINK_MILLIS, TimeUnit.MILLISECONDS)) {
                neighbour.caughtUp.await(until - System.nanoTime(), TimeUnit.NANOSECONDS);
            }
        }
    }

    private static boolean isListening(InetSocketAddress address) {
        try (Socket socket = new Socket()) {
            socket.connect(address, HANDSHAKE_MILLIS);
            return true;
        } catch (IOException nobody) {
            return false;
        }
    }

    private void keepDialling(Neighbour neighbour) {
        int refusals = 0;
        String said = "";
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(neighbour.address, HANDSHAKE_MILLIS);
                dial(neighbour, socket);
                refusals = 0;
                said = "";
            } catch (IOException | Refused failure) {
                refusals = failure instanceof Refused ? refusals + 1 : 0;
                if (!said.equals(failure.getMessage())) {
                    log.notice(neighbour.name, "cannot link: " + failure.getMessage() + "; trying again");
                    said = String.valueOf(failure.getMessage());
                }
            }
            double pause = Math.min(REDIAL_MILLIS * Math.pow(2, refusals), LONGEST_BACK_OFF_MILLIS);
            try {
                Thread.sleep((long) (pause * ThreadLocalRandom.current().nextDouble(0.75, 1)));
            } catch (InterruptedException stopped) {
                return;
            }
        }
    }

    private void dial(Neighbour neighbour, Socket socket) throws IOException, Refused {
        socket.setTcpNoDelay(true);
        sayHello(neighbour.name, socket);
        LineInput lines = new LineInput(socket.getInputStream(), MAX_LINE);
        String found = hearHello(neighbour.name, socket, lines);
        if (!found.equals(neighbour.name)) {
            throw new Refused(neighbour.name + " was expected there, but " + found + " answered");
        }
        run(neighbour, socket, lines);
    }

    private void accept(Socket accepted, long number) {
        String who = accepted.getRemoteSocketAddress().toString().substring(1);
        try (accepted) {
            LineInput lines = new LineInput(accepted.getInputStream(), MAX_LINE);
            try {
                Neighbour neighbour = admit(hearHello(who, accepted, lines));
                sayHello(who, accepted);
                // A newer connection of the same neighbour ends the older one.
                Socket older = neighbour.connection;
                neighbour.connection = accepted;
                if (older != null) {
                    older.close();
                }
                run(neighbour, accepted, lines);
            } catch (Refused reason) {
                say(who, accepted.getOutputStream(), List.of("REFUSED " + reason.getMessage()));
            }
        } catch (IOException stranger) {
            // Whoever it was has gone away.
        }
    }

    private Neighbour admit(String other) throws Refused {
        for (Neighbour neighbour : neighbours) {
            if (neighbour.name.equals(other) && other.compareTo(name) < 0) {
                return neighbour;
            } else if (neighbour.name.equals(other)) {
                throw new Refused(name + " dials " + other + ": the name that sorts first dials");
            }
        }
        throw new Refused(other + " is no neighbour of " + name + " by its herd file");
    }

    private void sayHello(String who, Socket socket) throws IOException {
        say(who, socket.getOutputStream(), List.of("HELLO herd/1 " + name));
    }

    private String hearHello(String who, Socket socket, LineInput lines) throws IOException, Refused {
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(HANDSHAKE_MILLIS);
        LineInput.Line line = null;
        while (line == null) {
            socket.setSoTimeout((int) Math.max(1, TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime())));
            if (System.nanoTime() >= until) {
                throw new SocketTimeoutException("no answer within " + HANDSHAKE_MILLIS / 1000 + " s");
            }
            if (!lines.fill()) {
                throw new IOException("closed by the other side");
            }
            line = lines.buffered();
        }
        log.read(who, line.text());
        Matcher match = IS_HELLO.matcher(line.text());
        if (line.tooLong() || line.text().length() > MAX_HELLO || !match.matches()) {
            throw new Refused("HELLO herd/1 NAME was expected, not " + line.text().replaceAll("[^ -~]", "?"));
        }
        return match.group(1);
    }

    private void say(String who, OutputStream output, List<String> lines) throws IOException {
        lines.forEach(line -> log.written(who, line));
        output.write((String.join("\n", lines) + "\n").getBytes(ISO_8859_1));
    }

    /** Runs a link from its first update to its end. */
    private void run(Neighbour neighbour, Socket socket, LineInput lines) {
        neighbour.turn.lock();
        Link link = up(neighbour, socket);
        String reason = "closed by the other side";
        try {
            executor.execute(() -> send(neighbour, link));
            socket.setSoTimeout(SILENCE_MILLIS);
            for (LineInput.Line line = lines.next(); line != null; line = lines.next()) {
                hear(neighbour, line);
            }
        } catch (SocketTimeoutException silent) {
            reason = "nothing heard for " + SILENCE_MILLIS / 1000 + " s";
        } catch (IOException failure) {
            reason = neighbour.connection == socket ? failure.getMessage() : "replaced by a newer connection";
        } finally {
            down(neighbour, link, reason);
            neighbour.turn.unlock();
        }
    }

    private Link up(Neighbour neighbour, Socket socket) {
        lock.lock();
        try {
            neighbour.link = new Link(socket);
            log.notice(neighbour.name, "link up");
            neighbour.linked.countDown();
            return neighbour.link;
        } finally {
            lock.unlock();
        }
    }

    private void down(Neighbour neighbour, Link link, String reason) {
        lock.lock();
        try {
            neighbour.link = null;
            link.ended = true;
            link.work.signal();
        } finally {
            lock.unlock();
        }
        log.notice(neighbour.name, "link down: " + reason);
    }

    private void hear(Neighbour neighbour, LineInput.Line line) {
        log.read(neighbour.name, line.text());
        if (line.tooLong()) {
            return;
        }
        if (line.text().startsWith("AT ")) {
            Update.at(line.text()).ifPresent(update -> learn(update, neighbour));
        } else if (line.text().equals("DONE")) {
            neighbour.caughtUp.countDown();
        }
    }

    /** Sends what waits, and that we live, until the link ends. Nothing piles up while the other side is slow. */
    private void send(Neighbour neighbour, Link link) {
        try {
            OutputStream output = link.socket.getOutputStream();
            for (List<String> lines = nextLines(link); !lines.isEmpty(); lines = nextLines(link)) {
                say(neighbour.name, output, lines);
            }
        } catch (IOException | InterruptedException failure) {
            // Whoever reads the link finds it closed, and says so.
        } finally {
            close(link.socket);
        }
    }

    private static void close(Socket socket) {
        try {
            socket.close();
        } catch (IOException failure) {
            // It is of no more use in any case.
        }
    }

    /** Waits for lines, what is live before the rest; PING if none come, and none at all at the end of the link. */
    private List<String> nextLines(Link link) throws InterruptedException {
        List<String> lines = new ArrayList<>();
        lock.lock();
        try {
            boolean inTime = true;
            while (link.waiting.isEmpty() && link.saidDone && !link.ended && inTime) {
                inTime = link.work.await(KEEP_ALIVE_MILLIS, TimeUnit.MILLISECONDS);
            }
            if (link.ended) {
                return lines;
            }
            Iterator<Update> live = link.waiting.values().iterator();
            for (int count = 0; live.hasNext() && count < LIVE_BATCH; count++) {
                lines.add(live.next().line());
                live.remove();
            }
            List<String> ids = link.rest.subList(Math.max(0, link.rest.size() - CATCH_UP_BATCH), link.rest.size());
            ids.forEach(id -> lines.add(known.get(id).line()));
            ids.clear();
            if (link.rest.isEmpty() && !link.saidDone) {
                link.saidDone = true;
                lines.add("DONE");
            }
        } finally {
            lock.unlock();
        }
        return lines.isEmpty() ? List.of("PING") : lines;
    }
}
