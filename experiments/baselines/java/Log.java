import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/** The log of traffic: every line read and written, in the format of the Rust server. */
final class Log {
    private static final int GATHER_MILLIS = 100;
    private static final int MOST_WAITING = 16 << 20;

    private final OutputStream file;
    private StringBuilder lines = new StringBuilder();
    private int dropped;
    private long second = -1;
    private String prefix = "";

    Log(Path folder, String name) throws IOException {
        Files.createDirectories(folder);
        file = new FileOutputStream(folder.resolve(name + ".log").toFile(), true);
    }

    void read(String who, String line) {
        add(who, '<', line);
    }

    void written(String who, String line) {
        add(who, '>', line);
    }

    /** A reply's first line, and what follows it as a body from Places: by its size. */
    void reply(String who, String reply) {
        int end = reply.indexOf('\n');
        written(who, reply.substring(0, end));
        String body = reply.substring(end).strip();
        if (!body.isEmpty()) {
            add(who, '>', "[" + body.length() + " bytes from Places]");
        }
    }

    void notice(String who, String what) {
        add(who, '*', what);
    }

    /** Writes what has gathered every tenth of a second, so that no line costs a system call. */
    void run() {
        try {
            while (true) {
                Thread.sleep(GATHER_MILLIS);
                flush();
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    /** Writes what has gathered. What a full disk does not take is dropped, and that is said later. */
    void flush() {
        String text = takeLines();
        if (text.isEmpty()) {
            return;
        }
        // Only whoever writes waits for the disk.
        synchronized (file) {
            try {
                file.write(text.getBytes(ISO_8859_1));
            } catch (IOException full) {
                drop((int) text.lines().count());
            }
        }
    }

    private synchronized String takeLines() {
        if (dropped > 0) {
            int count = dropped;
            dropped = 0;
            add("log", '*', count + " lines dropped: they could not be written");
        }
        String text = lines.toString();
        lines = new StringBuilder();
        return text;
    }

    private synchronized void drop(int count) {
        dropped += count;
    }

    private synchronized void add(String who, char sign, String text) {
        if (lines.length() > MOST_WAITING) {
            dropped += 1;
            return;
        }
        Instant now = Instant.now();
        if (now.getEpochSecond() != second) {
            second = now.getEpochSecond();
            prefix = LocalDateTime.ofEpochSecond(second, 0, ZoneOffset.UTC).toString();
            // It leaves out seconds that are zero.
            prefix += prefix.length() < "2026-11-22T13:35:01".length() ? ":00" : "";
        }
        String micros = Integer.toString(1_000_000 + now.getNano() / 1000).substring(1);
        lines.append(prefix).append('.').append(micros).append("Z ").append(who).append(' ').append(sign).append(' ');
        appendEscaped(text);
        lines.append('\n');
    }

    private void appendEscaped(String text) {
        for (int at = 0; at < text.length(); at++) {
            char character = text.charAt(at);
            if (character == '\\') {
                lines.append("\\\\");
            } else if (character >= ' ' && character <= '~') {
                lines.append(character);
            } else {
                lines.append("\\x").append(Integer.toHexString(0x100 + character), 1, 3);
            }
        }
    }
}
