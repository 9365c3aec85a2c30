"""Pictures of every screen of customers and of some of staff's, wide and as on a phone: `.venv/bin/python docs/screens.py FOLDER` beside bin/demo.

PORT is that of the demo. Beside bin/dev the page of what is missing is Django's own, and wider than a phone.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

URL = os.environ.get("PORTAL_URL", f"http://127.0.0.1:{os.environ.get('PORT', '8000')}")
WIDTHS = {"1280": 1280, "360": 360}
SCREENS = {
    "home": "/",
    "contracts": "/contracts/?state=active&state=ending",
    "contract": "/contracts/K0000001/",
    "orders": "/orders/",
    "orders-filter": "/orders/?panel=filter&month_min=2026/99",
    "invoices": "/invoices/",
    "invoices-columns": "/invoices/?panel=columns&state=fixed",
    "costs": "/invoices/analysis/?running=1",
    "account": "/account/",
    "account-change": "/account/change/",
    "users": "/account/users/",
    "user-new": "/account/users/new/",
    "history": "/account/history/",
    "security": "/account/security/",
    "second-factor": "/account/security/factor/",
    "faq": "/faq/",
    "inquiry": "/inquiry/?kind=change&about=K0000001",
    "password": "/password/change/",
    "missing": "/invoices/B000000-000000/",
}


DESK = {
    "desk": "/admin/",
    "desk-customer": "/admin/accounts/customer/1/change/",
    "desk-contract": "/admin/contracts/contract/1/change/",
    "desk-inquiry": "/admin/portal/inquiry/2/change/",
    "desk-search": "/admin/search/?q=みどり",
    "desk-books": "/admin/books/",
}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width in WIDTHS.items():
            page = signed_in(browser, width, "hanako@example.com", folder / f"login-{name}.png")
            links = {}
            for list_path, kind in (
                ("/orders/", "order"),
                ("/invoices/?state=fixed", "invoice"),
                ("/account/users/", "user"),
            ):
                page.goto(URL + list_path)
                links[kind] = page.locator("table.rows tbody a").first.get_attribute("href")
            picture(page, SCREENS | links, folder, name)
            picture(signed_in(browser, width, "staff@example.net"), DESK, folder, name)
        browser.close()


def signed_in(browser, width, email, before=None):
    """A page of its own in which this person is signed in; `before` is where a picture of the sign-in page goes."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{URL}/login/")
    if before:
        page.screenshot(path=before, full_page=True)
    page.fill("[name=username]", email)
    page.fill("[name=password]", "Portal-2024!")
    page.click("main button")
    return page


def picture(page, screens, folder, name):
    for screen, path in screens.items():
        page.goto(URL + path)
        page.wait_for_timeout(400)
        page.screenshot(path=folder / f"{screen}-{name}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            print(f"{screen} is wider than {page.viewport_size['width']} px", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"))
