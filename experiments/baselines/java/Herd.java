import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The herd file: who there is, where, and who has a link with whom. */
record Herd(Map<String, Addresses> servers, List<Link> links) {
    record Addresses(String clients, String peers) {}

    record Link(String one, String other) {}

    // As much of TOML as herd files need: the JDK has no reader of it.
    private static final Pattern COMMENT = Pattern.compile("(?m)^((?:[^\"'#\n]|\"[^\"\n]*\"|'[^'\n]*')*)#.*$");
    private static final Pattern LINK = Pattern.compile("\\[\\s*[\"']([^\"']+)[\"']\\s*,\\s*[\"']([^\"']+)[\"']\\s*,?\\s*]");
    private static final Pattern SERVER = Pattern.compile("(?m)^\\s*\\[\\s*servers\\s*\\.\\s*[\"']?([A-Za-z0-9._-]+?)[\"']?\\s*]");
    private static final Pattern ENTRY = Pattern.compile("(?m)^\\s*(clients|peers|metrics)\\s*=\\s*[\"']([^\"']+)[\"']");

    private static final String ASSIGNMENT = """
            links = [["Clark", "Jaquez"], ["Clark", "Bona"], ["Campbell", "Bailey"],
                     ["Campbell", "Bona"], ["Campbell", "Jaquez"], ["Bona", "Bailey"]]
            """;
    private static final List<String> FIVE = List.of("Bailey", "Bona", "Campbell", "Clark", "Jaquez");

    static Herd read(Path file) throws IOException {
        return parse(Files.readString(file));
    }

    /** The herd of the assignment. */
    static Herd assignment() {
        StringBuilder text = new StringBuilder(ASSIGNMENT);
        for (int number = 0; number < FIVE.size(); number++) {
            text.append("[servers.%s]\nclients = \"127.0.0.1:%d\"\npeers = \"127.0.0.1:%d\"\n"
                    .formatted(FIVE.get(number), 10_000 + number, 11_000 + number));
        }
        return parse(text.toString());
    }

    private static Herd parse(String file) {
        String text = COMMENT.matcher(file).replaceAll("$1");
        Matcher servers = SERVER.matcher(text);
        List<Link> links = new ArrayList<>();
        Map<String, Addresses> addresses = new LinkedHashMap<>();
        int head = text.length();
        while (servers.find()) {
            head = Math.min(head, servers.start());
            Map<String, String> entries = entries(text.substring(servers.end()));
            if (!entries.keySet().containsAll(List.of("clients", "peers"))) {
                throw new IllegalArgumentException(servers.group(1) + " needs clients and peers");
            }
            addresses.put(servers.group(1), new Addresses(entries.get("clients"), entries.get("peers")));
        }
        Matcher pairs = LINK.matcher(text.substring(0, head));
        while (pairs.find()) {
            links.add(new Link(pairs.group(1), pairs.group(2)));
        }
        for (Link link : links) {
            if (!addresses.containsKey(link.one) || !addresses.containsKey(link.other)) {
                throw new IllegalArgumentException(link + " is between servers that have no addresses");
            }
        }
        return new Herd(addresses, links);
    }

    /** The entries of the first table of a text. */
    private static Map<String, String> entries(String text) {
        Map<String, String> found = new LinkedHashMap<>();
        Matcher next = SERVER.matcher(text);
        Matcher entries = ENTRY.matcher(next.find() ? text.substring(0, next.start()) : text);
        while (entries.find()) {
            found.put(entries.group(1), entries.group(2));
        }
        return found;
    }

    /** Those that a server has a link with. */
    List<String> neighbours(String name) {
        return links.stream()
                .filter(link -> link.one.equals(name) || link.other.equals(name))
                .map(link -> link.one.equals(name) ? link.other : link.one)
                .toList();
    }

    static InetSocketAddress address(String text) {
        int colon = text.lastIndexOf(':');
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }
}
