package main

import (
	"context"
	"fmt"
	"math/big"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"gopkg.in/inf.v0"
)

// A small application: readings of sensors in days, the newest first, with a user-defined type; a
// lease that one of several workers holds; counters in batches.

type place struct {
	Name string    `cql:"name"`
	At   []float64 `cql:"at"`
}

func sensorsSchema(addresses []string) {
	copies := len(addresses)
	if copies > 3 {
		copies = 3
	}
	run("DROP KEYSPACE IF EXISTS gosensors")
	run(fmt.Sprintf("CREATE KEYSPACE gosensors WITH replication = "+
		"{'class': 'SimpleStrategy', 'replication_factor': %d}", copies))
	run("CREATE TYPE gosensors.place (name text, at frozen<list<double>>)")
	run("CREATE TABLE gosensors.readings (sensor uuid, day date, at timestamp, value double, exact decimal, " +
		"whole varint, place frozen<place>, where_static frozen<place> static, " +
		"PRIMARY KEY ((sensor, day), at)) WITH CLUSTERING ORDER BY (at DESC)")
	run("CREATE TABLE gosensors.leases (name text PRIMARY KEY, holder text, until timestamp)")
	run("CREATE TABLE gosensors.totals (sensor uuid, hour int, readings counter, bytes counter, " +
		"PRIMARY KEY (sensor, hour))")
	run("CREATE INDEX ON gosensors.leases (holder)")
	check(session.AwaitSchemaAgreement(context.Background()))
}

func sensorsReadings(_ []string) {
	sensor, day := gocql.MustRandomUUID(), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	b := session.Batch(gocql.LoggedBatch)
	b.Query("INSERT INTO gosensors.readings (sensor, day, where_static) VALUES (?, ?, ?)", sensor, day,
		place{"roof", []float64{52.5, 13.4}})
	for i := 0; i < 24; i++ {
		b.Query("INSERT INTO gosensors.readings (sensor, day, at, value, exact, whole, place) "+
			"VALUES (?, ?, ?, ?, ?, ?, ?)", sensor, day, day.Add(time.Duration(i)*time.Hour), float64(i)/4,
			inf.NewDec(int64(i), 2), new(big.Int).Lsh(big.NewInt(int64(i)), 80),
			place{fmt.Sprint("floor ", i), nil})
	}
	check(b.Exec())
	iter := session.Query("SELECT at, value, exact, whole, place, where_static.name.x FROM gosensors.readings "+
		"WHERE sensor = ? AND day = ?", sensor, day).Iter()
	if err := iter.Close(); err == nil {
		panic("a field of a text")
	}
	iter = session.Query("SELECT at, value, exact, whole, place, where_static FROM gosensors.readings "+
		"WHERE sensor = ? AND day = ? AND at >= ? LIMIT 3", sensor, day, day.Add(20*time.Hour)).Iter()
	var at time.Time
	var value float64
	var exact inf.Dec
	var whole big.Int
	var inner, outer place
	n := 0
	for iter.Scan(&at, &value, &exact, &whole, &inner, &outer) {
		hour := 23 - n
		equal(at.UTC(), day.Add(time.Duration(hour)*time.Hour))
		equal(value, float64(hour)/4)
		equal(exact.String(), inf.NewDec(int64(hour), 2).String())
		equal(whole.String(), new(big.Int).Lsh(big.NewInt(int64(hour)), 80).String())
		equal(inner.Name, fmt.Sprint("floor ", hour))
		equal(outer.At, []float64{52.5, 13.4})
		n++
	}
	check(iter.Close())
	equal(n, 3)
	var count int64
	var sum, top float64
	check(session.Query("SELECT count(*), sum(value), max(value) FROM gosensors.readings WHERE sensor = ? "+
		"AND day = ?", sensor, day).Scan(&count, &sum, &top))
	equal([]any{count, sum, top}, []any{int64(24), 69.0, 5.75})
	run("DELETE FROM gosensors.readings WHERE sensor = ? AND day = ? AND at < ?", sensor, day,
		day.Add(12*time.Hour))
	check(session.Query("SELECT count(*) FROM gosensors.readings WHERE sensor = ? AND day = ?", sensor,
		day).Scan(&count))
	equal(count, int64(12))
}

func sensorsLeases(_ []string) {
	held := map[string]any{}
	ok, err := session.Query("INSERT INTO gosensors.leases (name, holder) VALUES ('main', 'a') IF NOT EXISTS").
		MapScanCAS(held)
	check(err)
	equal(ok, true)
	ok, err = session.Query("INSERT INTO gosensors.leases (name, holder) VALUES ('main', 'b') IF NOT EXISTS").
		MapScanCAS(held)
	check(err)
	equal([]any{ok, held["holder"]}, []any{false, "a"})
	var holder string
	ok, err = session.Query("UPDATE gosensors.leases SET holder = ? WHERE name = 'main' IF holder = ?", "b", "a").
		SerialConsistency(gocql.Serial).ScanCAS(&holder)
	check(err)
	equal(ok, true)
	b := session.Batch(gocql.LoggedBatch)
	b.Query("UPDATE gosensors.leases SET holder = ? WHERE name = 'main' IF holder = ?", "c", "b")
	b.Query("UPDATE gosensors.leases SET until = ? WHERE name = 'main'", time.Unix(1700000000, 0))
	ok, _, err = b.MapExecCAS(map[string]any{})
	check(err)
	equal(ok, true)
	var name string
	check(session.Query("SELECT name FROM gosensors.leases WHERE holder = 'c'").Scan(&name))
	equal(name, "main")
	check(session.Query("SELECT holder FROM gosensors.leases WHERE name = 'main'").
		Consistency(gocql.Consistency(gocql.Serial)).Scan(&holder))
	equal(holder, "c")
}

func sensorsCounters(_ []string) {
	sensor := gocql.MustRandomUUID()
	for round := 0; round < 3; round++ {
		b := session.Batch(gocql.CounterBatch)
		for hour := 0; hour < 4; hour++ {
			b.Query("UPDATE gosensors.totals SET readings = readings + ?, bytes = bytes - ? "+
				"WHERE sensor = ? AND hour = ?", int64(hour), int64(1), sensor, hour)
		}
		check(b.Exec())
	}
	var readings, bytes int64
	check(session.Query("SELECT sum(readings), sum(bytes) FROM gosensors.totals WHERE sensor = ?", sensor).
		Scan(&readings, &bytes))
	equal([]int64{readings, bytes}, []int64{18, -12})
}
