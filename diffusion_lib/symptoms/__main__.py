"""python -m diffusion_lib.symptoms"""

import sys

from .gallery import main

if __name__ == "__main__":
    sys.exit(main())
