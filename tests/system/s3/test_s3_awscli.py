"""The AWS command line, as people use it."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.system


@pytest.fixture(scope="session")
def aws(embedded, tmp_path_factory):
    """Run `aws --endpoint-url <gateway of a site> …` and return what it printed."""
    home = tmp_path_factory.mktemp("awscli")
    access_key, secret_key = embedded.credentials
    environment = embedded.environment() | {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }
    environment.pop("PYTHONWARNINGS", None)

    def run(site: str, *arguments: str, status: int = 0) -> str:
        command = [embedded.program("aws"), "--endpoint-url", embedded.gateways[site], *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout or done.stderr

    return run


def test_the_commands_of_the_demonstrator_give_their_replies(aws, tmp_path):
    (tmp_path / "hello.txt").write_text("hello continuum\n")
    made = json.loads(aws("edge", "s3api", "create-bucket", "--bucket", "cli-demonstrator"))
    assert made["Location"] == "/cli-demonstrator"
    body = str(tmp_path / "hello.txt")
    where = ("--bucket", "cli-demonstrator", "--key", "hello.txt")
    put = json.loads(aws("edge", "s3api", "put-object", *where, "--body", body))
    listed = json.loads(aws("cloud", "s3api", "list-objects", "--bucket", "cli-demonstrator"))
    assert [(entry["Key"], entry["Size"]) for entry in listed["Contents"]] == [("hello.txt", 16)]
    got = json.loads(aws("cloud", "s3api", "get-object", *where, str(tmp_path / "received.txt")))
    assert (tmp_path / "received.txt").read_text() == "hello continuum\n"
    assert got["ETag"] == put["ETag"]
    aws("cloud", "s3api", "delete-object", *where)
    missing = aws("edge", "s3api", "get-object", *where, str(tmp_path / "x"), status=255)
    assert "NoSuchKey" in missing
    aws("edge", "s3api", "delete-bucket", "--bucket", "cli-demonstrator")


def test_folders_are_synchronised_there_and_back(aws, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    files = {
        "a.txt": b"a",
        "empty": b"",
        "folder/with space+plus%.bin": bytes(range(256)) * 100,
        "folder/ü.txt": "ü".encode(),
        "large.bin": bytes(range(256)) * 40_000,  # ten MB: comes in parts
    }
    for name, body in files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(body)
    aws("edge", "s3", "mb", "s3://cli-folders")
    aws("edge", "s3", "sync", "--quiet", str(there), "s3://cli-folders/copy")
    shown = aws("cloud", "s3", "ls", "--recursive", "s3://cli-folders")
    assert len(shown.splitlines()) == len(files)
    aws("cloud", "s3", "sync", "--quiet", "s3://cli-folders/copy", str(back))
    assert {
        str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()
    } == files
    aws("cloud", "s3", "mv", "--quiet", "s3://cli-folders/copy/large.bin", "s3://cli-folders/moved.bin")
    assert "PRE copy/" in aws("edge", "s3", "ls", "s3://cli-folders")
    aws("edge", "s3", "rb", "--force", "s3://cli-folders")
    assert "cli-folders" not in aws("cloud", "s3", "ls")
