"""Names of licences, as classifiers and people write them -> SPDX ids: what `licenses` compares.

The tables are facts from PyPI's list of classifiers, PEP 639's appendix on them and the SPDX licence list.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_MAX_EXPRESSION = 2000  # characters: what parses it is recursive, and nobody's licence is as long

# The last parts of those classifiers that mean one licence.
CLASSIFIERS = {
    "Attribution Assurance License": "AAL",
    "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": "CECILL-2.1",
    "CMU License (MIT-CMU)": "MIT-CMU",
    "CeCILL-B Free Software License Agreement (CECILL-B)": "CECILL-B",
    "CeCILL-C Free Software License Agreement (CECILL-C)": "CECILL-C",
    "Common Development and Distribution License 1.0 (CDDL-1.0)": "CDDL-1.0",
    "Common Public License": "CPL-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "Educational Community License, Version 2.0 (ECL-2.0)": "ECL-2.0",
    "European Union Public Licence 1.0 (EUPL 1.0)": "EUPL-1.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "IBM Public License": "IPL-1.0",
    "ISC License (ISCL)": "ISC",
    "Intel Open Source License": "Intel",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "MirOS License (MirOS)": "MirOS",
    "Motosoto License": "Motosoto",
    "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Mulan Permissive Software License v2 (MulanPSL-2.0)": "MulanPSL-2.0",
    "NASA Open Source Agreement v1.3 (NASA-1.3)": "NASA-1.3",
    "Nethack General Public License": "NGPL",
    "Open Group Test Suite License": "OGTSL",
    "Open Software License 3.0 (OSL-3.0)": "OSL-3.0",
    "PostgreSQL License": "PostgreSQL",
    "Python License (CNRI Python License)": "CNRI-Python",
    "Python Software Foundation License": "PSF-2.0",
    "Qt Public License (QPL)": "QPL-1.0",
    "Ricoh Source Code Public License": "RSCPL",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
    "Sleepycat License": "Sleepycat",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Vovida Software License 1.0": "VSL-1.0",
    "X.Net License": "Xnet",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}

# What stands in the free text of many projects, and can mean but one licence.
TEXTS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "BSD 2-Clause": "BSD-2-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MPL 2.0": "MPL-2.0",
    "Mozilla Public License 2.0": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "New BSD License": "BSD-3-Clause",
    "The MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "The Unlicense": "Unlicense",
}

# Classifiers that fit several licences, and what the ids of these begin with.
FAMILIES = {
    "Academic Free License (AFL)": "AFL-",
    "Apache Software License": "Apache-",
    "Apple Public Source License": "APSL-",
    "Artistic License": "Artistic-",
    "BSD License": "BSD-",
    "Eiffel Forum License": "EFL-",
    "Eiffel Forum License (EFL)": "EFL-",
    "GNU Affero General Public License v3": "AGPL-3.0-",
    "GNU Free Documentation License (FDL)": "GFDL-",
    "GNU General Public License (GPL)": "GPL-",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-",
    "Netscape Public License (NPL)": "NPL-",
    "Sun Industry Standards Source License (SISSL)": "SISSL",
    "W3C License": "W3C",
    "Zope Public License": "ZPL-",
}


@cache
def _spdx() -> Any:
    # Imported here: what only lists or shows distributions need not wait for it.
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def is_choice(tree: Any) -> bool:
    """Whether a tree's arguments are joined by OR."""
    return isinstance(tree, _spdx().OR)


def parse(text: str) -> Any:
    """Return the tree of an expression, where unknown names are leaves too; None for what is no expression."""
    from license_expression import ExpressionError

    try:
        return _spdx().parse(text) if len(text) <= _MAX_EXPRESSION else None
    except (ExpressionError, AssertionError, IndexError, RecursionError):  # the last three for strange texts only
        return None


def fold(name: str) -> str:
    """Return a name without regard to case and spaces."""
    return " ".join(name.split()).casefold()


IDS = {fold(name): spdx for name, spdx in (CLASSIFIERS | TEXTS).items()}


def is_known(leaf: Any) -> bool:
    """Whether a leaf is in SPDX's list, or one of somebody's own in the form that SPDX has for it."""
    names = (text.removesuffix("+") for text in str(leaf).split(" WITH "))
    return all(name in _spdx().known_symbols or name.startswith(("LicenseRef-", "DocumentRef-")) for name in names)


def known_tree(name: str) -> Any:
    """Return the tree of an expression of which every leaf is known; None for any other name."""
    tree = parse(IDS.get(fold(name), name))
    return tree if tree is not None and all(map(is_known, tree.literals)) else None
