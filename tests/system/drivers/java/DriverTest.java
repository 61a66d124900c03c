// The Java driver of Cassandra, unmodified: java DriverTest ADDRESS... ends with "N passed, N failed".
import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.ConsistencyLevel;
import com.datastax.oss.driver.api.core.CqlIdentifier;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DefaultConsistencyLevel;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import com.datastax.oss.driver.api.core.metadata.Node;
import com.datastax.oss.driver.api.core.metadata.schema.TableMetadata;
import com.datastax.oss.driver.api.core.servererrors.*;
import com.datastax.oss.driver.api.core.type.DataTypes;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.CompletionStage;

public class DriverTest {
  interface Test {
    void run() throws Exception;
  }

  static CqlSession session;
  static List<String> addresses;
  static int passed, failed;

  static void equal(Object got, Object wanted) {
    if (!Objects.equals(got, wanted)) throw new AssertionError("got " + got + ", wanted " + wanted);
  }

  static void fresh(String table, String columns) {
    session.execute("DROP TABLE IF EXISTS java." + table);
    session.execute("CREATE TABLE java." + table + " (" + columns + ")");
  }

  static void raises(Class<? extends Throwable> kind, String statement) {
    try {
      session.execute(statement);
    } catch (Throwable t) {
      if (kind.isInstance(t)) return;
      throw new AssertionError(statement + ": " + t);
    }
    throw new AssertionError(statement + ": no error");
  }

  static void metadata() {
    Set<String> seen = new TreeSet<>();
    for (Node n : session.getMetadata().getNodes().values())
      seen.add(n.getBroadcastRpcAddress().get().getAddress().getHostAddress());
    equal(seen, new TreeSet<>(addresses));
    session.execute("CREATE KEYSPACE IF NOT EXISTS java WITH replication = {'class': 'SimpleStrategy', "
        + "'replication_factor': " + Math.min(3, addresses.size()) + "}");
    fresh("kv", "k text, c int, v text, PRIMARY KEY (k, c)");
    TableMetadata t = session.getMetadata().getKeyspace("java").get().getTable("kv").get();
    equal(t.getPartitionKey().get(0).getName(), CqlIdentifier.fromCql("k"));
    equal(t.getClusteringColumns().keySet().iterator().next().getName(), CqlIdentifier.fromCql("c"));
    equal(t.getColumn("v").get().getType(), DataTypes.TEXT);
  }

  static void preparedStatements() {
    PreparedStatement insert = session.prepare("INSERT INTO java.kv (k, c, v) VALUES (?, ?, :v)");
    equal(insert.getPartitionKeyIndices(), List.of(0));
    session.execute(insert.boundStatementBuilder("a", 1).setString("v", "ü").build());
    Row row = session.execute(session.prepare("SELECT * FROM java.kv WHERE k = ?").bind("a")).one();
    equal(List.of(row.getString("k"), row.getInt("c"), row.getString("v")), List.of("a", 1, "ü"));
  }

  static void batches() {
    PreparedStatement insert = session.prepare("INSERT INTO java.kv (k, c, v) VALUES (?, ?, ?)");
    for (BatchType type : List.of(BatchType.LOGGED, BatchType.UNLOGGED)) {
      BatchStatementBuilder b = BatchStatement.builder(type);
      for (int c = 0; c < 10; c++) b.addStatement(insert.bind("batch", c, type.toString()));
      session.execute(b.build());
      equal(session.execute("SELECT v FROM java.kv WHERE k = 'batch'").all().stream()
          .filter(r -> r.getString(0).equals(type.toString())).count(), 10L);
    }
  }

  static void paging() {
    fresh("paged", "k int, c int, PRIMARY KEY (k, c)");
    PreparedStatement insert = session.prepare("INSERT INTO java.paged (k, c) VALUES (?, ?)");
    List<CompletionStage<AsyncResultSet>> sent = new ArrayList<>();
    for (int i = 0; i < 1000; i++) sent.add(session.executeAsync(insert.bind(i % 7, i)));
    for (CompletionStage<AsyncResultSet> s : sent) s.toCompletableFuture().join();
    Statement<?> all = SimpleStatement.newInstance("SELECT c FROM java.paged").setPageSize(10);
    Set<Integer> seen = new HashSet<>();
    ResultSet rows = session.execute(all);
    for (Row r : rows) seen.add(r.getInt(0));
    equal(seen.size(), 1000);
    int pages = rows.getExecutionInfos().size();
    if (pages < 100) throw new AssertionError(pages + " pages");
    int manual = 0;
    ByteBuffer state = null;
    do {
      AsyncResultSet page = session.executeAsync(all.setPagingState(state)).toCompletableFuture().join();
      for (Row r : page.currentPage()) manual++;
      state = page.getExecutionInfo().getPagingState();
    } while (state != null);
    equal(manual, 1000);
  }

  static void collections() {
    fresh("held", "k int PRIMARY KEY, l list<int>, s set<text>, m map<text, bigint>");
    session.execute(session.prepare("INSERT INTO java.held (k, l, s, m) VALUES (?, ?, ?, ?)")
        .bind(1, List.of(3, 1), Set.of("a", "b"), Map.of("x", 1L)));
    session.execute("UPDATE java.held SET l = l + [2], s = s - {'a'}, m['y'] = 2 WHERE k = 1");
    Row r = session.execute("SELECT * FROM java.held WHERE k = 1").one();
    equal(r.getList("l", Integer.class), List.of(3, 1, 2));
    equal(r.getSet("s", String.class), Set.of("b"));
    equal(r.getMap("m", String.class, Long.class), Map.of("x", 1L, "y", 2L));
  }

  static void timeToLive() {
    session.execute("INSERT INTO java.kv (k, c, v) VALUES ('ttl', 1, 'x') USING TTL 500");
    int ttl = session.execute("SELECT ttl(v) FROM java.kv WHERE k = 'ttl'").one().getInt(0);
    if (ttl <= 490 || ttl > 500) throw new AssertionError(ttl);
  }

  static void consistencyLevels() {
    for (DefaultConsistencyLevel level : List.of(ConsistencyLevel.ONE, ConsistencyLevel.QUORUM,
        ConsistencyLevel.ALL, ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM,
        ConsistencyLevel.EACH_QUORUM, ConsistencyLevel.ANY).toArray(new DefaultConsistencyLevel[0])) {
      int c = level.getProtocolCode();
      session.execute(SimpleStatement.newInstance(
          "INSERT INTO java.kv (k, c, v) VALUES ('levels', ?, 'x')", c).setConsistencyLevel(level));
      equal(session.execute(SimpleStatement.newInstance("SELECT v FROM java.kv WHERE k = 'levels' AND c = ?", c)
          .setConsistencyLevel(ConsistencyLevel.ALL)).one().getString(0), "x");
    }
  }

  static void tokenAwareRouting() {
    session.execute("CREATE KEYSPACE IF NOT EXISTS java1 WITH replication = "
        + "{'class': 'SimpleStrategy', 'replication_factor': 1}");
    session.execute("CREATE TABLE IF NOT EXISTS java1.kv (k text PRIMARY KEY, v text)");
    PreparedStatement insert = session.prepare("INSERT INTO java1.kv (k, v) VALUES (?, 'v')");
    Set<Node> used = new HashSet<>();
    for (int i = 0; i < 100; i++) {
      BoundStatement bound = insert.bind("key " + i);
      Set<Node> replicas =
          session.getMetadata().getTokenMap().get().getReplicas("java1", bound.getRoutingKey());
      equal(replicas.size(), 1);
      Node coordinator = session.execute(bound).getExecutionInfo().getCoordinator();
      equal(Set.of(coordinator), replicas);
      used.add(coordinator);
    }
    equal(used.size(), addresses.size());
  }

  static void siblings() {
    session.execute("DROP TABLE IF EXISTS java.carts");
    session.execute("CREATE TABLE java.carts (k int PRIMARY KEY, v int) WITH conflicts = 'siblings'");
    PreparedStatement write =
        session.prepare("UPDATE java.carts USING CAUSALITY ? SET v = ? WHERE k = 1");
    String all = "SELECT siblings(v), causality() FROM java.carts WHERE k = 1";
    session.execute(write.bind(null, 1));
    session.execute(write.bind(null, 2));
    ResultSet plain = session.execute("SELECT v FROM java.carts WHERE k = 1");
    equal(plain.one().getInt(0), 2);
    equal(plain.getExecutionInfo().getWarnings().get(0).contains("java.carts"), true);
    Row row = session.execute(all).one();
    equal(row.getList(0, Integer.class), List.of(2, 1));
    session.execute(write.bind(row.getByteBuffer(1), 3));
    equal(session.execute(all).one().getList(0, Integer.class), List.of(3));
    // this driver says who it is, so whatever node it asks it is one writer
    for (int i = 4; i < 20; i++) session.execute("UPDATE java.carts SET v = " + i + " WHERE k = 1");
    equal(session.execute(all).one().getList(0, Integer.class), List.of(19));
    Map<String, ByteBuffer> payload = session.execute(
        SimpleStatement.newInstance("SELECT v FROM java.carts WHERE k = 1")
            .setCustomPayload(Map.of("torc_causality", ByteBuffer.allocate(0))))
        .getExecutionInfo().getIncomingPayload();
    session.execute(SimpleStatement.newInstance("UPDATE java.carts SET v = 20 WHERE k = 1")
        .setCustomPayload(payload));
    equal(session.execute(all).one().getList(0, Integer.class), List.of(20));
  }

  static void errors() {
    raises(SyntaxError.class, "SELEC");
    raises(InvalidQueryException.class, "SELECT * FROM java.nowhere");
    raises(AlreadyExistsException.class, "CREATE TABLE java.kv (k int PRIMARY KEY)");
  }

  static void test(String name, Test t) {
    try {
      t.run();
      passed++;
      System.out.println("ok      " + name);
    } catch (Throwable e) {
      failed++;
      System.out.println("FAILED  " + name + ": " + e);
      e.printStackTrace(System.out);
    }
  }

  public static void main(String[] arguments) {
    addresses = List.of(arguments);
    var builder = CqlSession.builder().withLocalDatacenter("datacenter1").withConfigLoader(
        DriverConfigLoader.programmaticBuilder()
            .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "QUORUM")
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(20)).build());
    for (String a : addresses) builder.addContactPoint(new InetSocketAddress(a, 9042));
    try (CqlSession s = builder.build()) {
      session = s;
      test("metadata", DriverTest::metadata);
      test("prepared_statements", DriverTest::preparedStatements);
      test("batches", DriverTest::batches);
      test("paging", DriverTest::paging);
      test("collections", DriverTest::collections);
      test("time_to_live", DriverTest::timeToLive);
      test("consistency_levels", DriverTest::consistencyLevels);
      test("token_aware_routing", DriverTest::tokenAwareRouting);
      test("siblings", DriverTest::siblings);
      test("errors", DriverTest::errors);
      Shop shop = new Shop(s);
      test("shop_schema", () -> shop.schema(Math.min(3, addresses.size())));
      test("shop_articles", shop::articles);
      test("shop_stock", shop::stock);
      test("shop_orders", shop::orders);
      test("shop_visits", shop::visits);
    } catch (AllNodesFailedException e) {
      failed++;
      e.printStackTrace(System.out);
    }
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed > 0 ? 1 : 0);
  }
}
