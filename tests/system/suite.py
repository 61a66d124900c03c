"""Tests of one program: functions under @test, run in their order by main().

Each gets what `main(*arguments)` was given, has a limit in time, and prints a line; the last line
is "N passed, N failed", for scripts/test. Names on the command line choose some of them.
"""
import signal
import sys
import time
import traceback

import ring

LIMIT_SECONDS = 60
_tests = []


def test(function=None, *, seconds=LIMIT_SECONDS):
    def register(f):
        _tests.append((f, seconds))
        return f
    return register(function) if function else register


def _expired(number, frame):
    raise TimeoutError("the test took too long")


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}")


def raises(kind, function, *arguments, **named):
    """The exception that the call raised; anything else is a failure."""
    try:
        result = function(*arguments, **named)
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}, got {result!r}")


def run(*arguments):
    """Run the tests, each with these arguments, rings; (passed, failed)."""
    passed = failed = 0
    chosen = sys.argv[1:]
    signal.signal(signal.SIGALRM, _expired)
    for f, seconds in _tests:
        if chosen and f.__name__ not in chosen:
            continue
        start = time.monotonic()
        signal.alarm(seconds)
        try:
            try:
                f(*arguments)
            finally:
                for a in arguments:
                    a.check_alive()
        except Exception:
            failed += 1
            ring.keep_logs()
            print(f"FAILED  {f.__name__} ({time.monotonic() - start:.1f} s)")
            for line in traceback.format_exc().splitlines()[-14:]:
                print("    " + line)
        else:
            passed += 1
            print(f"ok      {f.__name__} ({time.monotonic() - start:.1f} s)")
        finally:
            signal.alarm(0)
        sys.stdout.flush()
    return passed, failed


def finish(passed, failed):
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


def main(count=3, **settings):
    """The tests of a program that needs one ring for all of them."""
    try:
        r = ring.Ring(count, **settings)
        with r:
            result = run(r)
    except Exception:
        traceback.print_exc()
        result = 0, 1
    finish(*result)
