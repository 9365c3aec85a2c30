"""What lies in the data folder is its owner's alone: keys, mails with passwords, the server's log."""

from django.core.mail import EmailMessage

from portal import mail, secret
from portal.db.embedded import Server


def mode(path):
    return path.stat().st_mode & 0o777


def it_makes_the_data_folder_and_the_key_for_its_owner_only(tmp_path):
    secret.kept_in(tmp_path / "data" / "secret.key")
    assert (mode(tmp_path / "data"), mode(tmp_path / "data" / "secret.key")) == (0o700, 0o600)


def it_makes_the_folder_also_where_the_server_is_first(tmp_path):
    server = Server(tmp_path / "data" / "pg")
    server._hold()
    assert mode(tmp_path / "data") == 0o700


def it_writes_mails_for_their_owner_only(tmp_path, settings):
    settings.EMAIL_FILES = tmp_path / "mail"
    mail.FileBackend().send_messages([EmailMessage("x", "y", to=["a@example.com"], headers={"Message-ID": "<1@x>"})])
    assert (mode(tmp_path / "mail"), mode(tmp_path / "mail" / "1.eml")) == (0o700, 0o600)
