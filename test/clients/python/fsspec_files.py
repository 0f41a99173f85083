"""s3fs, the file system of fsspec: what pandas, Dask, Zarr and Hugging Face's datasets read and write through."""

import os
import unittest

import duckdb
import fsspec
import pyarrow
import pyarrow.parquet
from buckets import new_name
from snippet import coffer

MIB = 1024 * 1024


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bucket = new_name()
        coffer.mkdir(cls.bucket)

    def test_parquet(self):
        path = f"{self.bucket}/table.parquet"
        table = pyarrow.table({"id": list(range(50_000)), "text": [str(n * 31) for n in range(50_000)]})
        with coffer.open(path, "wb") as out:
            pyarrow.parquet.write_table(table, out)
        self.assertTrue(pyarrow.parquet.read_table(path, filesystem=coffer).equals(table))

    def test_parquet_of_duckdb(self):
        duckdb.register_filesystem(coffer)
        at = f"s3://{self.bucket}/duckdb"
        duckdb.sql(f"copy (select range as id, range % 3 as kind from range(100000)) to '{at}/a.parquet' (row_group_size 20000)")
        duckdb.sql(f"copy (select range as id, 7 as kind from range(10)) to '{at}/b.parquet'")
        kinds = duckdb.sql(f"select kind, count(*) from read_parquet('{at}/*.parquet') where id < 30 group by kind order by kind")
        self.assertEqual(kinds.fetchall(), [(0, 10), (1, 10), (2, 10), (7, 10)])

    def test_a_file_is_written_in_parts_and_read_anywhere(self):
        body = os.urandom(13 * MIB)
        with coffer.open(f"{self.bucket}/large", "wb", block_size=5 * MIB) as out:
            for start in range(0, len(body), MIB):
                out.write(body[start : start + MIB])
        self.assertTrue(coffer.info(f"{self.bucket}/large")["ETag"].endswith('-3"'))
        with coffer.open(f"{self.bucket}/large", "rb", block_size=MIB) as file:
            file.seek(6 * MIB)
            self.assertEqual(file.read(100), body[6 * MIB : 6 * MIB + 100])
        self.assertEqual(coffer.cat_file(f"{self.bucket}/large", start=-10, end=None), body[-10:])
        with coffer.open(f"{self.bucket}/large", "ab") as out:
            out.write(b"more")
        self.assertEqual(coffer.cat(f"{self.bucket}/large"), body + b"more")

    def test_many_at_once_by_pattern(self):
        written = {f"{self.bucket}/many/{n:03}.txt": str(n).encode() for n in range(60)}
        coffer.pipe(written)
        self.assertEqual(coffer.cat(f"{self.bucket}/many/*.txt"), written)
        self.assertEqual(len(coffer.glob(f"{self.bucket}/many/**/0?0.txt")), 6)
        coffer.copy(f"{self.bucket}/many/", f"{self.bucket}/moved/", recursive=True)
        coffer.rm(f"{self.bucket}/many", recursive=True)
        self.assertFalse(coffer.exists(f"{self.bucket}/many"))
        self.assertEqual(coffer.du(f"{self.bucket}/moved"), sum(len(body) for body in written.values()))
        coffer.rm(f"{self.bucket}/moved", recursive=True)
        self.assertEqual(coffer.find(f"{self.bucket}/moved"), [])

    def test_what_wants_a_url_finds_it(self):
        # What pandas.read_csv("s3://...") does; the settings are those of the environment.
        with fsspec.open(f"s3://{self.bucket}/by url.csv", "wt") as out:
            out.write("a,b\n1,2\n")
        with fsspec.open(f"s3://{self.bucket}/by url.csv", "rt") as file:
            self.assertEqual(file.read(), "a,b\n1,2\n")

    def test_metadata_tags_and_urls(self):
        path = f"{self.bucket}/described"
        coffer.pipe_file(path, b"x")
        coffer.setxattr(path, colour="blue")
        self.assertEqual(coffer.getxattr(path, "colour"), "blue")
        coffer.put_tags(path, {"team": "a b"})
        self.assertEqual(coffer.get_tags(path), {"team": "a b"})
        self.assertIn("X-Amz-Signature=", coffer.sign(path, expiration=600))


if __name__ == "__main__":
    unittest.main()
