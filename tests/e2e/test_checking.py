"""GESSO_CHECK: the plugins of this tree keep the rules, and who breaks them is named."""

import os
import re
import unittest

from program import DEMO, ProgramTest, needs_demo
from test_demo import FEW_STEPS, pixels

SUMMARY = re.compile(r"GESSO_CHECK: (\d+) calls of (\d+) components were checked; broken rules: (\d+)")


@needs_demo
class Checking(ProgramTest):
    def run_demo(self, *arguments, **environment):
        done = self.gesso("--verbose", "run", DEMO, *FEW_STEPS, "--out", "a.png", *arguments, **environment)
        return pixels(self.folder / "a.png"), done.stderr

    def test_the_demo_is_clean_and_its_pixels_are_the_same(self):
        plain, errors = self.run_demo()
        self.assertNotIn("GESSO_CHECK", errors)
        checked, errors = self.run_demo(GESSO_CHECK="1")
        calls, components, broken = map(int, SUMMARY.search(errors).groups())
        self.assertGreater(calls, 100)
        self.assertGreater(components, 4)
        self.assertEqual(broken, 0, errors)
        self.assertEqual(errors.count("GESSO_CHECK: "), 1, errors)
        self.assertEqual(plain, checked)

    def test_zero_is_off(self):
        self.assertNotIn("GESSO_CHECK", self.run_demo(GESSO_CHECK="0")[1])

    def test_a_fault_is_told_with_the_names_of_plugin_and_function(self):
        done = self.gesso("run", DEMO, *FEW_STEPS, "--out", "a.png", "--set", "components.scheduler.id=org.gesso.faulty.scheduler",
                          GESSO_PLUGIN_PATH=os.environ["GESSO_FAULTY"], GESSO_FAULT="writes_beyond", GESSO_CHECK="1")
        self.assertIn("GESSO_CHECK: plugin org.gesso.faulty, component org.gesso.faulty.scheduler: gesso_scheduler_t.plan: "
                      "wrote behind the end of the array that it was given [instance & ready]", done.stderr)


if __name__ == "__main__":
    unittest.main()
