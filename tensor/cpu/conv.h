// conv
#pragma once
