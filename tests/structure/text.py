"""What must not stand in any file of the repository, and scripts that do not parse. Prints each fault; exit 1 if there is one."""

import hashlib
import re
import subprocess
import sys

from tree import ROOT, read, source_files

# Published NHS numbers outside the test range, each with its source, stand in this file alone (INV-6) ...
NHS_NUMBER_VECTORS = "libs/nhs/nhs_number_test.cc"
# ... and in the one published message that is kept as it is (tests/fixtures/bars/README.md names the source).
PUBLISHED = {("tests/fixtures/bars/Booking.json", "9476" + "719931")}
NOT_A_NUMBER = "0123456789"  # The decimal digits as an alphabet; it happens to have a right check digit.
TEN_DIGITS = re.compile(r"(?<![\w.\-])(\d{3})([ -]?)(\d{3})\2(\d{4})(?![\w\-]|\.\d)")

# (what, where it counts, pattern, instead). The patterns are written so that they do not match themselves.
BANNED = (
    ("a place on somebody's machine", r"", re.compile(r"(?:^|[^\w.$}/:>])/(?:work|farm|home|root|Users)/|[.][.]/shared\b"), "a path from the repository"),
    ("a package registry's host", r"",
     re.compile(r"\b(?:registry[.]npmjs|registry[.]yarnpkg|pypi[.]org|pythonhosted[.]org|repo1?[.]maven|repo[.]maven|deb[.]debian|archive[.]ubuntu|proxy[.]golang|crates[.]io)"),
     "the client's own settings"),
    ("unfinished work", r"\.(h|cc|py|proto|js|sh)$|/run$|CMakeLists\.txt$", re.compile(r"\b(?:TO[D]O|FIX[M]E)\b"), "the work"),
    ("a test that does not run", r"\.cc$", re.compile(r"\bDISABLE[D]_|GTEST_SKI[P]"), "a test that runs"),
    ("an unbounded C function", r"\.(h|cc)$", re.compile(r"\b(?:strcp[y]|strca[t]|sprint[f]|get[s]|strto[k]|ato[il])\("), "absl/strings"),
)


# INV-50: the questions of the Patient Activation Measure are licensed. Known by eight words of each, as a hash: the words
# themselves must not stand here either.
QUESTION_WORDS = 8
QUESTIONS = frozenset((
    "229894e19d03804f", "1025e18e9409940c",
    "817c49e587c21e4c", "d9147ff76ab17f63",
    "c6a8b161f22aebed", "d34b7a3c4a6c5528"))
# Nor how it is scored: of its numbers only the lowest scores of three levels.
PAM_NUMBERS_MAX = 3
PAM_TABLE = re.compile(r"\bk?Pam\w*\s*(?:\[\w*\]\s*)?=\s*\{([^}]*)\}")


def hash_of(words):
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def instrument_faults(path, text, questions=QUESTIONS):
    words = re.findall(r"[a-z]+", text.lower())
    faults = [f"{path}: a question of the Patient Activation Measure (INV-50)" for i in range(len(words) - QUESTION_WORDS + 1)
              if hash_of(words[i:i + QUESTION_WORDS]) in questions]
    for table in PAM_TABLE.finditer(text):
        if len(re.findall(r"\d+", table.group(1))) > PAM_NUMBERS_MAX:
            faults.append(f"{path}: a scoring table of the Patient Activation Measure (INV-50)")
    return faults


def is_nhs_number(digits):
    """Ten digits, the weighted sum of which is 0 mod 11, not all equal."""
    return len(set(digits)) > 1 and sum((10 - i) * int(digit) for i, digit in enumerate(digits)) % 11 == 0


def nhs_numbers(text):
    """(line, digits) of every valid NHS number outside 999 000 0000 to 999 999 9999."""
    for match in TEN_DIGITS.finditer(text):
        digits = match.group(1) + match.group(3) + match.group(4)
        if is_nhs_number(digits) and not digits.startswith("999") and digits != NOT_A_NUMBER:
            yield text.count("\n", 0, match.start()) + 1, digits


def faults_of(path, text):
    faults = []
    if path != NHS_NUMBER_VECTORS:
        faults += [f"{path}:{line}: {digits} is a valid NHS number outside 999 (INV-6)" for line, digits in nhs_numbers(text)
                   if (path, digits) not in PUBLISHED]
    for what, where, pattern, instead in BANNED:
        if re.search(where, path):
            for number, line in enumerate(text.splitlines(), 1):
                if pattern.search(line):
                    faults.append(f"{path}:{number}: {what} ({pattern.search(line).group().strip()}); instead: {instead}")
    return faults


def syntax_faults(path, text):
    """What the shell or Python says of a script."""
    first = text.split("\n", 1)[0]
    if path.endswith(".sh") or first.startswith("#!") and first.endswith(("bash", "sh")):
        result = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True, check=False)
        return [result.stderr.strip()] if result.returncode else []
    if path.endswith(".py") or first.startswith("#!") and "python" in first:
        try:
            compile(text, path, "exec")
        except SyntaxError as error:
            return [f"{path}:{error.lineno}: {error.msg}"]
    return []


def main():
    faults = []
    files = source_files()
    for path in files:
        text = read(path)
        if "\0" not in text:
            faults += faults_of(path, text) + instrument_faults(path, text) + syntax_faults(path, text)
    print("\n".join(faults))
    print(f"text: {len(files)} files, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
