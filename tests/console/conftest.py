"""One browser for each module; each test begins signed out."""

import pytest

from support.browser import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chromium")
    driver = chromium(folder)
    driver.downloads = folder / "downloads"
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def signed_out(request):
    yield
    if "browser" in request.fixturenames:
        request.getfixturevalue("browser").delete_all_cookies()
