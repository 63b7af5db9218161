"""The test support's own servers: what other tests stand on."""

from __future__ import annotations

import psycopg
import redis as redis_client

from tests.support.servers import PostgresServer, RedisServer


def test_redis_answers(redis: RedisServer) -> None:
    with redis_client.Redis.from_url(redis.url) as client:
        assert client.ping()


def test_each_database_of_the_cluster_is_empty_and_apart(postgres: PostgresServer) -> None:
    first, second = postgres.create_database(), postgres.create_database()
    plain = postgres.url(first).replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE here (id int)")
    with psycopg.connect(postgres.url(second).replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (0,)
    postgres.drop_database(first)
    postgres.drop_database(second)
