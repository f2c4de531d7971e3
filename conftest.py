"""For tests and notebooks alike: what they answer is not the learner's progress."""

import os
import tempfile

os.environ["COURSE_PROGRESS"] = os.path.join(tempfile.mkdtemp(prefix="course-"), "progress.json")
