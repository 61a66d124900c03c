// tests/system/skew/lost_updates.py with the Java driver: java LostUpdates ROUNDS ADDRESS...
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DefaultConsistencyLevel;
import com.datastax.oss.driver.api.core.DriverException;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import com.datastax.oss.driver.api.core.loadbalancing.NodeDistance;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.*;

public class LostUpdates {
  static final double[] OFFSETS = {0.4, 0.0, -0.4}; // of the clients' clocks, in seconds
  static final int STEPS = 6;

  static List<CqlSession> sessions = new ArrayList<>();
  static boolean clientTimestamps;
  static long[] warnedAt; // of each writer; a connection is warned at most once a second
  static int acked, refused, lost, silent, warned;

  static CqlSession connect(String host) {
    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(20))
            .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "QUORUM")
            .withString(DefaultDriverOption.TIMESTAMP_GENERATOR_CLASS, "ServerSideTimestampGenerator")
            .withBoolean(DefaultDriverOption.REQUEST_WARN_IF_SET_KEYSPACE, false)
            .build();
    return CqlSession.builder()
        .addContactPoint(new InetSocketAddress(host, 9042))
        .withLocalDatacenter("datacenter1")
        .withNodeDistanceEvaluator(
            (node, dc) ->
                node.getBroadcastRpcAddress().map(a -> a.getAddress().getHostAddress().equals(host)).orElse(true)
                    ? NodeDistance.LOCAL
                    : NodeDistance.IGNORED)
        .withConfigLoader(config)
        .build();
  }

  static ResultSet run(int session, String statement, Object... values) {
    SimpleStatement s =
        SimpleStatement.newInstance(statement, values).setConsistencyLevel(DefaultConsistencyLevel.QUORUM);
    if (clientTimestamps)
      s = s.setQueryTimestamp(System.currentTimeMillis() * 1000 + (long) (OFFSETS[session % OFFSETS.length] * 1e6));
    return sessions.get(session).execute(s);
  }

  static void oneRow(int row) {
    for (int step = 0; step < STEPS; step++) {
      int at = step % sessions.size();
      ResultSet done;
      try {
        if (step % 3 == 0) done = run(at, "INSERT INTO lost_java.r (v, k) VALUES (?, ?)", step, row);
        else if (step % 3 == 1) done = run(at, "UPDATE lost_java.r SET v = ? WHERE k = ?", step, row);
        else done = run(at, "DELETE FROM lost_java.r WHERE k = ?", row);
      } catch (DriverException e) {
        refused++;
        return;
      }
      acked++;
      if (!done.getExecutionInfo().getWarnings().isEmpty()) {
        warned++;
        warnedAt[at] = System.nanoTime();
      }
      Row got = run((at + 1) % sessions.size(), "SELECT v FROM lost_java.r WHERE k = ?", row).one();
      Integer wanted = step % 3 == 2 ? null : (Integer) step;
      if (!Objects.equals(got == null || got.isNull(0) ? null : got.getInt(0), wanted)) {
        lost++;
        if (System.nanoTime() - warnedAt[at] > 1_100_000_000L) silent++;
      }
    }
  }

  public static void main(String[] arguments) {
    int rounds = Integer.parseInt(arguments[0]);
    for (int i = 1; i < arguments.length; i++) sessions.add(connect(arguments[i]));
    warnedAt = new long[sessions.size()];
    Arrays.fill(warnedAt, System.nanoTime() - 10_000_000_000L);
    CqlSession first = sessions.get(0);
    first.execute("DROP KEYSPACE IF EXISTS lost_java");
    first.execute(
        "CREATE KEYSPACE lost_java WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
            + Math.min(3, sessions.size()) + "}");
    first.execute("CREATE TABLE lost_java.r (k int PRIMARY KEY, v int)");
    for (String timestamps : List.of("server", "client")) {
      clientTimestamps = timestamps.equals("client");
      acked = refused = lost = silent = warned = 0;
      for (int row = 0; row < rounds; row++) oneRow((clientTimestamps ? rounds : 0) + row);
      System.out.printf(
          "{\"driver\": \"java\", \"timestamps\": \"%s\", \"acked\": %d, \"refused\": %d, \"lost\": %d, "
              + "\"silent\": %d, \"warned\": %d}%n",
          timestamps, acked, refused, lost, silent, warned);
    }
    sessions.forEach(CqlSession::close);
  }
}
