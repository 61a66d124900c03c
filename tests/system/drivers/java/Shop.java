// A small application on the driver's query builder and its object mapper: articles with prices in
// a user-defined type, orders of customers, stock under conditions, counters of visits.
import static com.datastax.oss.driver.api.querybuilder.QueryBuilder.*;
import static com.datastax.oss.driver.api.querybuilder.SchemaBuilder.*;

import com.datastax.oss.driver.api.core.*;
import com.datastax.oss.driver.api.core.cql.*;
import com.datastax.oss.driver.api.core.data.UdtValue;
import com.datastax.oss.driver.api.core.metadata.schema.ClusteringOrder;
import com.datastax.oss.driver.api.core.type.DataTypes;
import com.datastax.oss.driver.api.core.type.UserDefinedType;
import com.datastax.oss.driver.api.mapper.annotations.*;
import com.datastax.oss.driver.api.querybuilder.relation.Relation;
import com.datastax.oss.driver.api.querybuilder.select.Selector;
import java.math.BigDecimal;
import java.util.*;

public class Shop {
  static final String KS = "javashop";

  @Entity
  @CqlName("orders")
  @SchemaHint(targetElement = SchemaHint.TargetElement.TABLE)
  public static class Order {
    @PartitionKey public UUID customer;
    @ClusteringColumn public int line;
    public String article;
    public BigDecimal price;
    public Set<String> tags;

    public UUID getCustomer() { return customer; }
    public void setCustomer(UUID v) { customer = v; }
    public int getLine() { return line; }
    public void setLine(int v) { line = v; }
    public String getArticle() { return article; }
    public void setArticle(String v) { article = v; }
    public BigDecimal getPrice() { return price; }
    public void setPrice(BigDecimal v) { price = v; }
    public Set<String> getTags() { return tags; }
    public void setTags(Set<String> v) { tags = v; }
  }

  @Dao
  public interface OrderDao {
    @Select PagingIterable<Order> all(UUID customer);
    @Select Order one(UUID customer, int line);
    @Insert void add(Order order);
    @Insert(ifNotExists = true) Order addNew(Order order);
    @Update(ifExists = true) boolean change(Order order);
    @Delete void remove(Order order);
    @Query("SELECT count(*) FROM ${keyspaceId}.orders WHERE customer = :customer") long count(UUID customer);
  }

  @Mapper
  public interface ShopMapper {
    @DaoFactory OrderDao orders(@DaoKeyspace CqlIdentifier keyspace);
  }

  final CqlSession session;

  Shop(CqlSession session) { this.session = session; }

  void schema(int copies) {
    session.execute(dropKeyspace(KS).ifExists().build());
    session.execute(createKeyspace(KS).ifNotExists().withSimpleStrategy(copies).build());
    session.execute(createType(KS, "price").withField("amount", DataTypes.DECIMAL)
        .withField("currency", DataTypes.TEXT).build());
    session.execute(createTable(KS, "articles").withPartitionKey("id", DataTypes.TEXT)
        .withClusteringColumn("edition", DataTypes.INT).withStaticColumn("title", DataTypes.TEXT)
        .withColumn("price", udt("price", true)).withColumn("stock", DataTypes.INT)
        .withColumn("words", DataTypes.mapOf(DataTypes.TEXT, DataTypes.INT))
        .withClusteringOrder("edition", ClusteringOrder.DESC).withComment("what there is").build());
    session.execute(createTable(KS, "orders").withPartitionKey("customer", DataTypes.UUID)
        .withClusteringColumn("line", DataTypes.INT).withColumn("article", DataTypes.TEXT)
        .withColumn("price", DataTypes.DECIMAL).withColumn("tags", DataTypes.setOf(DataTypes.TEXT))
        .build());
    session.execute(createTable(KS, "visits").withPartitionKey("article", DataTypes.TEXT)
        .withColumn("times", DataTypes.COUNTER).build());
    session.execute(createIndex("by_stock").onTable(KS, "articles").andColumn("stock").build());
    session.execute(alterTable(KS, "articles").addColumn("weight", DataTypes.DOUBLE).build());
    var known = session.getMetadata().getKeyspace(KS).get();
    DriverTest.equal(known.getTables().size(), 3);
    DriverTest.equal(known.getTable("articles").get().getIndexes().size(), 1);
    DriverTest.equal(known.getUserDefinedType("price").get().getFieldNames().size(), 2);
  }

  void articles() {
    UserDefinedType type = session.getMetadata().getKeyspace(KS).get().getUserDefinedType("price").get();
    PreparedStatement insert = session.prepare(insertInto(KS, "articles").value("id", bindMarker())
        .value("edition", bindMarker()).value("price", bindMarker()).value("stock", bindMarker())
        .value("words", bindMarker()).build());
    for (int edition = 1; edition <= 5; edition++) {
      UdtValue price = type.newValue(new BigDecimal("9.90").multiply(BigDecimal.valueOf(edition)), "EUR");
      session.execute(insert.bind("book", edition, price, edition * 10, Map.of("a", edition)));
    }
    session.execute(update(KS, "articles").setColumn("title", literal("A Book"))
        .whereColumn("id").isEqualTo(literal("book")).build());
    List<Row> rows = session.execute(selectFrom(KS, "articles").column("edition").column("title")
        .column("price").field("price", "currency").as("money").writeTime("stock")
        .whereColumn("id").isEqualTo(literal("book")).whereColumn("edition").isGreaterThan(literal(2))
        .orderBy("edition", ClusteringOrder.ASC).limit(2).build()).all();
    DriverTest.equal(rows.size(), 2);
    DriverTest.equal(rows.get(0).getInt("edition"), 3);
    DriverTest.equal(rows.get(0).getString("title"), "A Book");
    DriverTest.equal(rows.get(0).getUdtValue("price").getBigDecimal("amount"), new BigDecimal("29.70"));
    DriverTest.equal(rows.get(1).getString("money"), "EUR");
    Row found = session.execute(selectFrom(KS, "articles").all().whereColumn("stock")
        .isEqualTo(literal(40)).build()).one();
    DriverTest.equal(found.getInt("edition"), 4);
    Row sum = session.execute(selectFrom(KS, "articles").function("sum", Selector.column("stock"))
        .function("max", Selector.column("edition")).countAll()
        .whereColumn("id").isEqualTo(literal("book")).build()).one();
    DriverTest.equal(List.of(sum.getInt(0), sum.getInt(1), sum.getLong(2)), List.of(150, 5, 5L));
    session.execute(update(KS, "articles").appendMapEntry("words", literal("b"), literal(7))
        .whereColumn("id").isEqualTo(literal("book")).whereColumn("edition").isEqualTo(literal(1)).build());
    session.execute(deleteFrom(KS, "articles").element("words", literal("a"))
        .whereColumn("id").isEqualTo(literal("book")).whereColumn("edition").isEqualTo(literal(1)).build());
    DriverTest.equal(session.execute(selectFrom(KS, "articles").column("words").whereColumn("id")
        .isEqualTo(literal("book")).where(Relation.columns("edition").in(tuple(literal(1)))).build())
        .one().getMap(0, String.class, Integer.class), Map.of("b", 7));
    session.execute(insertInto(KS, "articles").json("{\"id\": \"pen\", \"edition\": 1, \"price\": "
        + "{\"amount\": 1.5, \"currency\": \"EUR\"}}").build());
    DriverTest.equal(session.execute(selectFrom(KS, "articles").json().column("id").column("price")
        .whereColumn("id").isEqualTo(literal("pen")).build()).one().getString(0),
        "{\"id\": \"pen\", \"price\": {\"amount\": 1.5, \"currency\": \"EUR\"}}");
  }

  void stock() {
    int sold = 0;
    for (int i = 0; i < 15; i++) {
      int left = session.execute(selectFrom(KS, "articles").column("stock").whereColumn("id")
          .isEqualTo(literal("book")).whereColumn("edition").isEqualTo(literal(1)).build()
          .setConsistencyLevel(ConsistencyLevel.SERIAL)).one().getInt(0);
      ResultSet done = session.execute(update(KS, "articles").setColumn("stock", literal(left - 1))
          .whereColumn("id").isEqualTo(literal("book")).whereColumn("edition").isEqualTo(literal(1))
          .ifColumn("stock").isEqualTo(literal(left)).ifColumn("stock").isGreaterThan(literal(0)).build());
      if (done.wasApplied()) sold++;
      else DriverTest.equal(done.one().getInt("stock"), 0);
    }
    DriverTest.equal(sold, 10);
  }

  void orders() {
    OrderDao dao = new Shop_ShopMapperBuilder(session).build().orders(CqlIdentifier.fromCql(KS));
    UUID who = UUID.randomUUID();
    for (int line = 0; line < 3; line++) {
      Order o = new Order();
      o.customer = who;
      o.line = line;
      o.article = "book";
      o.price = new BigDecimal("9.90");
      o.tags = Set.of("t" + line);
      DriverTest.equal(dao.addNew(o), null);
      DriverTest.equal(dao.addNew(o).price, o.price);
    }
    DriverTest.equal(dao.count(who), 3L);
    Order one = dao.one(who, 1);
    one.article = "pen";
    DriverTest.equal(dao.change(one), true);
    DriverTest.equal(dao.one(who, 1).article, "pen");
    dao.remove(one);
    DriverTest.equal(dao.change(one), false);
    DriverTest.equal(dao.all(who).map(o -> o.line).all(), List.of(0, 2));
  }

  void visits() {
    PreparedStatement visit = session.prepare(update(KS, "visits").increment("times", bindMarker())
        .whereColumn("article").isEqualTo(bindMarker()).build());
    BatchStatementBuilder b = BatchStatement.builder(BatchType.COUNTER);
    for (int i = 0; i < 10; i++) b.addStatement(visit.bind((long) i, "book"));
    session.execute(b.build());
    session.execute(visit.bind(-5L, "book"));
    DriverTest.equal(session.execute(selectFrom(KS, "visits").column("times").whereColumn("article")
        .isEqualTo(literal("book")).build()).one().getLong(0), 40L);
  }
}
