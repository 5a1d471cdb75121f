"""A headless Chromium on the relay's page, driven in the words of the person in front of it.

One browser a test, with a profile of its own. Every wait has a deadline and none is a bare pause. Needs Debian's chromium and
chromium-driver; CHROMIUM and CHROMEDRIVER name others.
SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException, ElementNotInteractableException, NoSuchElementException, StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 20
CONTRAST = (pathlib.Path(__file__).resolve().parent / "contrast.js").read_text()
WIDE, NARROW = (1280, 860), (390, 844)
PASSING = (
    NoSuchElementException, StaleElementReferenceException, ElementNotInteractableException, ElementClickInterceptedException,
)


def program(variable, *names):
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    assert found, f"none of {names} is installed; set {variable}"
    return found


class Page:
    """The page in a browser of its own."""

    def __init__(self, size=WIDE, words=()):
        options = webdriver.ChromeOptions()
        options.binary_location = program("CHROMIUM", "chromium", "chromium-browser", "google-chrome")
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", *words):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if size == NARROW:
            metrics = {"width": size[0], "height": size[1], "pixelRatio": 2, "mobile": True, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        else:
            options.add_argument("--window-size=%d,%d" % size)
        self.driver = webdriver.Chrome(options=options, service=Service(program("CHROMEDRIVER", "chromedriver")))
        self.driver.set_script_timeout(PATIENCE)

    def close(self):
        self.driver.quit()

    # Going places

    def open(self, url):
        """A fresh load, also when only the fragment differs."""
        self.driver.get("about:blank")
        self.driver.get(url)
        return self

    @property
    def address(self):
        return self.driver.current_url

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    # Waiting

    def until(self, condition, what, seconds=PATIENCE):
        """The first true value of `condition()`; what throws because the page is just changing counts as not yet."""

        def look(_):
            try:
                return condition()
            except PASSING:
                return False

        return WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(
            look, f"{what}; the page shows: {self.text()[:600]!r}"
        )

    def shown(self, css, text=None):
        """The visible elements of that kind, with that text or accessible name if one is given."""
        found = [one for one in self.driver.find_elements(By.CSS_SELECTOR, css) if one.is_displayed()]
        if text is None:
            return found
        return [one for one in found if text in one.text or text == one.accessible_name]

    def see(self, css, text=None, seconds=PATIENCE):
        """Waits until there is one, and returns it."""
        return self.until(lambda: next(iter(self.shown(css, text)), None), f"no {css} with {text!r}", seconds)

    def see_no(self, css, text=None, seconds=PATIENCE):
        self.until(lambda: not self.shown(css, text), f"still a {css} with {text!r}", seconds)

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    # Doing

    def press(self, label, within=""):
        """Clicks the button of that text or accessible name."""

        def click():
            for one in self.shown(f"{within} button, {within} [role=tab], {within} summary".strip()):
                if one.is_enabled() and (label == one.text.strip() or label == one.accessible_name):
                    one.click()
                    return True
            return False

        self.until(click, f"no button {label!r} to press")

    def type(self, label, text, within=""):
        """Replaces what is in the field of that label."""

        def fill():
            for one in self.shown(f"{within} input, {within} textarea, {within} select".strip()):
                if one.accessible_name == label:
                    if one.tag_name != "select":
                        one.clear()
                    one.send_keys(text)
                    return one
            return None

        return self.until(fill, f"no field {label!r}")

    def value(self, label):
        return next(one for one in self.shown("input, textarea, select") if one.accessible_name == label).get_property("value")

    def tab(self, name):
        self.until(lambda: self.see("[role=tab]", name).click() is None, f"no tab {name}")

    # What this page calls things

    def condition(self):
        """The chip beside the selected link's name."""
        return self.see(".detail-head .chip").text

    def see_condition(self, text, seconds=PATIENCE):
        return self.see(".detail-head .chip", text, seconds)

    def resources(self):
        """Names of the resources that are in the document now."""
        return [one.text for one in self.shown(".item-name")]

    def add_resource(self, resource):
        """Fills and sends the form."""
        self.press("Add", ".tools")
        self.type("Download URL", resource["url"], "dialog[open]")
        self.type("SHA-256", resource["hash"], "dialog[open]")
        self.type("Type", resource["type"], "dialog[open]")
        self.type("File name", resource["name"], "dialog[open]")
        self.press("Add resource", "dialog[open]")

    def menu(self, entry):
        self.press("More actions")
        self.press(entry, ".menu")

    def prefer(self, scheme):
        """What the system is set to: light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def faint(self):
        """What cannot be read well, as contrast.js finds it, once nothing moves any more."""
        self.until(lambda: self.script("return document.getAnimations().every(one => one.effect.getTiming().iterations === Infinity)"), "it moves")
        return self.script(CONTRAST)

    def complaints(self):
        """Console messages that no test expects: anything but failed loads, which the browser logs for any 401 too."""
        return [
            entry["message"] for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING") and "Failed to load resource" not in entry["message"]
            and "WebSocket connection to" not in entry["message"]
        ]
