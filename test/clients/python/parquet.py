"""Parquet by pyarrow's own S3 client (the AWS SDK for C++)."""

import unittest

import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
from buckets import new_name
from snippet import coffer

ROWS = 300_000
YEARS = (2024, 2025, 2026)


def table():
    return pyarrow.table(
        {
            "id": pyarrow.array(range(ROWS)),
            "year": pyarrow.array([YEARS[n % len(YEARS)] for n in range(ROWS)]),
            "name": pyarrow.array([f"name {n * 7919 % 104729}" for n in range(ROWS)]),
        }
    )


class Parquet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bucket = new_name()
        coffer.create_dir(cls.bucket)
        cls.table = table()

    def test_a_file_and_some_columns_of_it(self):
        path = f"{self.bucket}/plain.parquet"
        pyarrow.parquet.write_table(self.table, path, filesystem=coffer, row_group_size=50_000)
        self.assertTrue(pyarrow.parquet.read_table(path, filesystem=coffer).equals(self.table))
        file = pyarrow.parquet.ParquetFile(path, filesystem=coffer)
        self.assertEqual(file.num_row_groups, 6)
        self.assertEqual(file.read_row_group(3, columns=["id"]).column("id")[0].as_py(), 150_000)

    def test_a_dataset_in_partitions(self):
        base = f"{self.bucket}/by year"
        partitioning = pyarrow.dataset.partitioning(pyarrow.schema([("year", pyarrow.int64())]), flavor="hive")
        pyarrow.dataset.write_dataset(self.table, base, filesystem=coffer, format="parquet", partitioning=partitioning)
        names = [info.path for info in coffer.get_file_info(pyarrow.fs.FileSelector(base, recursive=True)) if info.is_file]
        self.assertEqual(len(names), len(YEARS))
        dataset = pyarrow.dataset.dataset(base, filesystem=coffer, format="parquet", partitioning=partitioning)
        self.assertEqual(dataset.count_rows(), ROWS)
        some = dataset.to_table(columns=["id"], filter=(pyarrow.dataset.field("year") == 2025))
        self.assertEqual(some.num_rows, ROWS // len(YEARS))
        self.assertEqual(pyarrow.compute.min(some.column("id")).as_py(), 1)

    def test_a_stream_longer_than_a_part(self):
        path = f"{self.bucket}/stream"
        block = bytes(range(256)) * 4096
        with coffer.open_output_stream(path, metadata={"Content-Type": "application/x-test"}) as out:
            for _ in range(23):
                out.write(block)
        with coffer.open_input_file(path) as file:
            self.assertEqual(file.size(), 23 * len(block))
            file.seek(22 * len(block) - 4)
            self.assertEqual(file.read(8), block[-4:] + block[:4])
        with coffer.open_input_stream(path) as stream:
            self.assertEqual(stream.read(4), block[:4])
            self.assertEqual(stream.metadata()["Content-Type"], b"application/x-test")

    def test_files_are_moved_and_folders_removed(self):
        folder = f"{self.bucket}/folder/inner"
        coffer.create_dir(folder, recursive=True)
        with coffer.open_output_stream(f"{folder}/one") as out:
            out.write(b"1")
        coffer.move(f"{folder}/one", f"{folder}/two & three")
        coffer.copy_file(f"{folder}/two & three", f"{folder}/four")
        found = coffer.get_file_info(pyarrow.fs.FileSelector(folder))
        self.assertEqual(sorted(info.base_name for info in found), ["four", "two & three"])
        coffer.delete_dir(f"{self.bucket}/folder")
        self.assertEqual(coffer.get_file_info(folder).type, pyarrow.fs.FileType.NotFound)


if __name__ == "__main__":
    unittest.main()
