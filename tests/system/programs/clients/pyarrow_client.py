"""What a user of Apache Arrow does (Parquet over AWS's C++ SDK): `pyarrow_client.py FOLDER BUCKET`."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

folder, bucket = Path(sys.argv[1]), sys.argv[2]
url = urlsplit(os.environ["S3_URL"])
files = fs.S3FileSystem(
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    endpoint_override=url.netloc,
    scheme=url.scheme,
    region="us-east-1",
    allow_bucket_creation=True,
    allow_bucket_deletion=True,
)
told = {}
files.create_dir(bucket)
rows = 20_000
table = pa.table(
    {
        "number": pa.array(range(rows)),
        "site": pa.array([("edge", "cloud", "hpc")[i % 3] for i in range(rows)]),
        "value": pa.array([i / 7 for i in range(rows)]),
    }
)
pq.write_table(table, f"{bucket}/one.parquet", filesystem=files, row_group_size=2_000)
with pq.ParquetFile(f"{bucket}/one.parquet", filesystem=files) as one:
    told["row groups"] = one.num_row_groups
    told["a row group"] = one.read_row_group(7, columns=["number"])["number"][0].as_py()
assert pq.read_table(f"{bucket}/one.parquet", filesystem=files).equals(table)
some = pq.read_table(f"{bucket}/one.parquet", filesystem=files, filters=[("number", ">", rows - 10)])
told["filtered"] = some["number"].to_pylist()

ds.write_dataset(
    table,
    f"{bucket}/parts",
    filesystem=files,
    format="parquet",
    partitioning=["site"],
    partitioning_flavor="hive",
)
dataset = ds.dataset(f"{bucket}/parts", filesystem=files, format="parquet", partitioning="hive")
told["dataset"] = sorted(Path(name).parent.name for name in dataset.files)
told["sum"] = pc.sum(dataset.to_table(filter=ds.field("site") == "hpc", columns=["number"])["number"]).as_py()
told["count"] = dataset.count_rows()

large = (folder / "large.bin").read_bytes()
with files.open_output_stream(f"{bucket}/large.bin") as stream:  # in parts
    stream.write(large)
with files.open_input_file(f"{bucket}/large.bin") as file:
    told["size"] = file.size()
    file.seek(5 * 1024 * 1024 - 2)
    told["around a seam"] = file.read(4).hex()
    assert file.read_at(len(large), 0) == large
with files.open_output_stream(f"{bucket}/empty", metadata={"Content-Type": "text/x-test"}) as stream:
    stream.write(b"")
with files.open_input_stream(f"{bucket}/empty") as stream:
    told["empty"] = [stream.read().hex(), stream.metadata().get(b"Content-Type", b"").decode()]
files.copy_file(f"{bucket}/one.parquet", f"{bucket}/\u00fc copy & more.parquet")
files.move(f"{bucket}/empty", f"{bucket}/moved/empty")


def kinds(*names):
    return [[info.path, info.type.name, info.size] for info in files.get_file_info(list(names))]


told["infos"] = kinds(f"{bucket}/moved/empty", f"{bucket}/empty", f"{bucket}/parts", f"{bucket}/large.bin")
every = files.get_file_info(fs.FileSelector(bucket, recursive=True))
told["names"] = sorted([info.path, info.type.name] for info in every)
files.delete_dir(f"{bucket}/parts")
told["left"] = sorted(info.path for info in files.get_file_info(fs.FileSelector(bucket)))
try:
    files.open_input_file(f"{bucket}/missing")
except FileNotFoundError:
    told["missing"] = "FileNotFoundError"
files.delete_dir(bucket)
told["gone"] = kinds(bucket)
print(json.dumps(told))
