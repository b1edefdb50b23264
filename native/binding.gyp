{
  'targets': [
    {
      'target_name': 'kvmfr',
      'sources': [
        'src/addon.cc',
        'src/mapping.cc',
        'src/channel.cc',
        'src/doorbell-binding.cc',
        'src/fd-watch.cc',
        'src/placement.cc',
        'src/vfio.cc',
        'src/guard.cc',
        'src/region.cc',
        'src/screen-pages.cc',
        'src/screen-memory.cc',
        'src/loop-timer.cc',
        'src/wait.cc',
        'src/cadence.cc',
        'src/pixels.cc',
        'src/pixels-rows.cc',
        'src/pixels-avx2.cc',
        'src/tiles.cc',
        'src/pixels-binding.cc',
        'src/tile-ops.cc',
        'src/tile-ops-binding.cc',
        'src/spare-memory.cc',
        'src/moves.cc',
        'src/moves-binding.cc',
        'src/hdr.cc',
        'src/hdr-portable.cc',
        'src/hdr-avx2.cc',
        'src/i420.cc',
        'src/i420-avx2.cc',
        'src/i420-neon.cc',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
        # What cannot be thrown because its thread is being terminated is no reason to end the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'conditions': [
        ['OS=="linux"', {
          # The headers of Node and node-addon-api are system headers: only our own warnings are errors.
          'cflags': [
            '-O3', '-Wall', '-Wextra', '-fvisibility=hidden',
            # Warnings are errors where this is developed. A person whose newer compiler knows a new
            # warning still gets a module: the published package has no tsconfig.
            '<!@(node -p "require(\'fs\').existsSync(\'../tsconfig.json\') ? \'-Werror\' : \'\'")',
          ],
          'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
          'cflags_cc': [
            '-std=c++17',
            # Arithmetic of light rounds the same way in every variant, on every processor.
            '-ffp-contract=off',
            '-isystem', '<!(node -p "require(\'path\').dirname(require.resolve(\'node-addon-api\'))")',
          ],
          'libraries': ['-pthread'],
          # The handler of SIGBUS outlives the thread that loaded the module.
          'ldflags': ['-Wl,-z,nodelete'],
        }, {
          'include_dirs': ['<!(node -p "require(\'path\').dirname(require.resolve(\'node-addon-api\'))")'],
        }],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'OTHER_CPLUSPLUSFLAGS': ['-ffp-contract=off'],
          },
        }],
        ['OS=="win"', {
          'msvs_settings': {'VCCLCompilerTool': {'AdditionalOptions': ['/std:c++17']}},
        }],
      ],
    },
  ],
}
