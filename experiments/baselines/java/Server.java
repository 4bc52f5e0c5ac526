import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * One server of the herd on Java, with a virtual thread for each connection.
 *
 * <p>The key to Places is taken from GOOGLE_PLACES_API_KEY.
 */
final class Server {
    private static final int BACKLOG = 1024;
    private static final String USAGE =
            "usage: java Server NAME [--herd FILE] [--places-url URL] [--log-dir DIR] [--platform-threads]";

    private Server() {}

    /** Takes a connection that was accepted, and its number. */
    interface Acceptor {
        void take(Socket socket, long number) throws IOException;
    }

    public static void main(String[] arguments) throws InterruptedException {
        try {
            start(new Options(arguments));
        } catch (IOException | IllegalArgumentException | ReflectiveOperationException failure) {
            System.err.println(failure.getMessage());
            System.exit(1);
        }
    }

    /** What was given on the command line. */
    private static final class Options {
        private static final List<String> WITH_VALUE = List.of("--herd", "--places-url", "--log-dir");

        final Map<String, String> values = new HashMap<>();
        String name;
        boolean platformThreads;

        Options(String[] arguments) {
            for (int at = 0; at < arguments.length; at++) {
                if (arguments[at].equals("--platform-threads")) {
                    platformThreads = true;
                } else if (WITH_VALUE.contains(arguments[at]) && at + 1 < arguments.length) {
                    values.put(arguments[at], arguments[++at]);
                } else if (name == null && !arguments[at].startsWith("-")) {
                    name = arguments[at];
                } else {
                    throw new IllegalArgumentException(USAGE);
                }
            }
            if (name == null) {
                throw new IllegalArgumentException(USAGE);
            }
        }
    }

    private static void start(Options options) throws IOException, InterruptedException, ReflectiveOperationException {
        String file = options.values.get("--herd");
        Herd herd = file == null ? Herd.assignment() : Herd.read(Path.of(file));
        if (!herd.servers().containsKey(options.name)) {
            throw new IllegalArgumentException(options.name + " is not in the herd: " + herd.servers().keySet() + " are");
        }
        ExecutorService executor = options.platformThreads ? Executors.newCachedThreadPool() : virtualThreads();
        Log log = new Log(Path.of(options.values.getOrDefault("--log-dir", "logs")), options.name);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            log.flush();
            // A signal would make it 143.
            Runtime.getRuntime().halt(0);
        }));
        new Thread(log::run, "log").start();
        Links links = new Links(herd, options.name, log, executor);
        links.start();
        links.catchUp();
        String url = options.values.getOrDefault("--places-url", "https://maps.googleapis.com");
        String key = System.getenv().getOrDefault("GOOGLE_PLACES_API_KEY", "");
        Session.Service service =
                new Session.Service(options.name, links, new Places(url, key, executor), log, executor);
        String clients = herd.servers().get(options.name).clients();
        InetSocketAddress address = Herd.address(clients);
        ServerSocket listener = new ServerSocket(address.getPort(), BACKLOG, address.getAddress());
        System.out.println("ready " + options.name + " clients=" + clients);
        acceptAll(listener, executor, (socket, number) -> new Session(service, socket, "c" + number).run());
    }

    /** A thread for each task. The compiler is older than virtual threads are; what runs this is not. */
    private static ExecutorService virtualThreads() throws ReflectiveOperationException {
        try {
            return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        } catch (NoSuchMethodException old) {
            throw new ReflectiveOperationException("virtual threads need Java 21; try --platform-threads", old);
        }
    }

    /** Gives each connection a thread, for ever. */
    static void acceptAll(ServerSocket listener, Executor executor, Acceptor acceptor) {
        for (long number = 1; ; number++) {
            try {
                Socket socket = listener.accept();
                socket.setTcpNoDelay(true);
                long accepted = number;
                executor.execute(() -> {
                    try {
                        acceptor.take(socket, accepted);
                    } catch (IOException failure) {
                        // The connection is over before anything was said.
                    }
                });
            } catch (IOException failure) {
                // Out of descriptors, most likely: some may be free in a while.
                pause();
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(10);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }
}
