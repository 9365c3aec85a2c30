"""An upgrade has the old web beside the new tables for a while: migrations expand first, and contract with a later version."""

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from tests import expanding

# Each app's last migration in the version from which on upgrades go on under a working web. What came before was never released.
MARKED = {"portal": 32, "accounts": 14, "contracts": 11, "orders": 6, "billing": 28}


def it_only_adds_to_what_the_version_before_it_uses(db):
    for migration, state in expanding.since(MARKED):
        harmless = getattr(migration, "harmless", {})
        found = expanding.judge(migration, state)
        told = {code: (expanding.RULES[code][0], found[code]) for code in found.keys() - harmless.keys()}
        assert (str(migration), told) == (str(migration), {})
        assert (str(migration), harmless.keys() - found.keys()) == (str(migration), set())  # a reason for nothing
        assert all(len(reason) > 10 for reason in harmless.values())


@pytest.fixture(scope="module")
def all_migrated() -> ProjectState:
    made = MigrationLoader(None).project_state()
    assert made.apps.get_models()  # made once: a copy of the state takes them along
    return made


@pytest.fixture
def state(all_migrated, db) -> ProjectState:
    return all_migrated


def with_sql(*statements):
    return [migrations.RunSQL(each) for each in statements]


INVOICE = "billing_invoice"
OF_INVOICE = models.Index(fields=["total"], name="by_total")


@pytest.mark.parametrize(
    ("app", "operations", "codes"),
    [
        ("billing", [migrations.RemoveField("invoice", "subject")], {"drops"}),
        ("portal", [migrations.DeleteModel("FaqEntry")], {"drops"}),
        ("billing", [migrations.RenameField("invoice", "subject", "title")], {"renames"}),
        ("portal", [migrations.AlterModelTable("faqentry", "questions")], {"renames"}),
        ("billing", with_sql("DROP FUNCTION search_form(text)"), {"drops"}),
        ("billing", [migrations.AddField("invoice", "more", models.TextField(default=""))], {"needed"}),
        ("billing", [migrations.AddField("invoice", "more", models.TextField(db_default=""))], set()),
        ("billing", [migrations.AddField("invoice", "more", models.TextField(null=True))], set()),
        ("billing", with_sql(f"ALTER TABLE {INVOICE} ADD COLUMN more integer NOT NULL"), {"needed"}),
        ("accounts", [migrations.AlterField("user", "email", models.EmailField(unique=True))], {"needed"}),
        ("billing", [migrations.AlterField("invoice", "total", models.TextField())], {"type"}),
        ("billing", [migrations.AlterField("invoice", "subject", models.CharField(max_length=5000))], set()),
        ("billing", [migrations.AlterField("invoice", "subject", models.CharField(max_length=5))], {"type"}),
        ("billing", [migrations.AddIndex("invoice", OF_INVOICE)], {"index"}),
        ("billing", with_sql(f"CREATE UNIQUE INDEX one ON {INVOICE} (total)"), {"index"}),
        ("billing", with_sql(f"CREATE INDEX CONCURRENTLY one ON {INVOICE} (total)"), set()),
        ("billing", with_sql(f"ALTER TABLE {INVOICE} ADD CONSTRAINT plus CHECK (total > 0)"), {"constraint"}),
        ("billing", with_sql(f"ALTER TABLE {INVOICE} ADD CONSTRAINT plus CHECK (total > 0) NOT VALID"), set()),
        ("billing", with_sql(f"REVOKE UPDATE ON {INVOICE} FROM portal_web"), {"revokes"}),
        ("billing", [migrations.RunPython(migrations.RunPython.noop)], {"python"}),
        ("billing", with_sql("-- DROP TABLE is only a word here\nSELECT 1;\nDROP TABLE billing_invoice;"), {"drops"}),
    ],
    ids=lambda given: str(given).partition(" at 0x")[0],  # an address would be another in each process
)  # fmt: skip
def it_reads_what_a_migration_does_to_others(state, app, operations, codes):
    migration = migrations.Migration("9999_tried", app)
    migration.operations = operations
    assert set(expanding.judge(migration, state)) == codes


def it_lets_a_migration_do_what_it_likes_with_tables_of_its_own(state):
    migration = migrations.Migration("9999_tried", "billing")
    made = migrations.CreateModel(
        "Trial", [("id", models.BigAutoField(primary_key=True)), ("total", models.IntegerField())]
    )
    migration.operations = [
        made,
        migrations.AddIndex("trial", OF_INVOICE),
        migrations.AddField("trial", "more", models.TextField(default="")),
        *with_sql("ALTER TABLE billing_trial ADD CONSTRAINT plus CHECK (total > 0)"),
    ]
    assert expanding.judge(migration, state) == {}
