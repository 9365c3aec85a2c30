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


def it_lets_nobody_else_list_or_write_a_folder_that_was_made_open(tmp_path, settings):
    data, mails = tmp_path / "data", tmp_path / "data" / "mail"
    for folder in (data, mails):
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    secret.kept_in(data / "secret.key")
    settings.EMAIL_FILES = mails
    mail.FileBackend().send_messages([EmailMessage("x", "y", to=["a@example.com"], headers={"Message-ID": "<1@x>"})])
    assert (mode(data), mode(mails)) == (0o711, 0o711)
    assert (mode(data / "secret.key"), mode(mails / "1.eml")) == (0o600, 0o600)


def it_leaves_a_folder_that_all_share(tmp_path):
    tmp_path.chmod(0o1777)
    secret.kept_in(tmp_path / "secret.key")
    assert mode(tmp_path) == 0o777
    assert mode(tmp_path / "secret.key") == 0o600
