"""`python -m tests.pipeline.toy_run WORKSPACE WORKERS`: runs the toy stages and prints the counts as JSON."""

import json
import sys
from pathlib import Path

from tests.pipeline.toy import toy_session


def main() -> None:
    session = toy_session(Path(sys.argv[1]))
    selection = session.select((), (), retry_failed=False)
    run_counts, status_counts = session.run(selection, int(sys.argv[2]))
    counts = {"computed": run_counts.computed, "taken_over": run_counts.taken_over}
    sys.stdout.write(json.dumps(counts | {"status_counts": status_counts.to_json()}))


if __name__ == "__main__":
    main()
